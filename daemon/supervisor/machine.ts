/**
 * The life of one child process as a machine: start, liveness, restart with exponential back-off and jitter, stop.
 * Sans-IO: the driver (child.ts) performs what `step` returns.
 *
 * Liveness counts from the oldest ping without an answer, never from a clock alone: when this process itself was late
 * (frozen, starved), the child gets a full window from the moment we run again, or every thaw would kill all children.
 */
import { unreachable } from "../../base/result.ts";
import { after, earliest, type Instant, instant, type Ms, ms, since } from "../../base/unit.ts";

export interface ChildPolicy {
  /** Shortest and longest pause before a restart. */
  readonly backoffLeast: Ms;
  readonly backoffMost: Ms;
  /** Up for so long: the next failure counts as the first. */
  readonly stableAfter: Ms;
  /** From spawn to hello; past it the child is killed. */
  readonly helloWithin: Ms;
  readonly pingEvery: Ms;
  /** A ping unanswered for so long: the child counts as down. */
  readonly silentAfter: Ms;
  /** … and for so long: it is killed and restarted. More than silentAfter. */
  readonly killAfter: Ms;
}

export type Phase = "stopped" | "starting" | "up" | "silent" | "backoff" | "stopping";

export interface Child {
  readonly policy: ChildPolicy;
  readonly phase: Phase;
  /** Failures in a row; 0 again after `stableAfter`. */
  readonly failures: number;
  readonly restarts: number;
  /** When the phase has its own deadline: hello due, restart due, or stop overdue. */
  readonly dueAt: Instant | undefined;
  readonly upSince: Instant | undefined;
  readonly pings: number;
  readonly pingAt: Instant | undefined;
  /** When the oldest unanswered ping left; undefined: all are answered. */
  readonly unansweredSince: Instant | undefined;
}

export type ChildEvent =
  | { readonly kind: "start" }
  /** A process that an earlier control started has been taken over; its hello follows. */
  | { readonly kind: "adopted" }
  | { readonly kind: "hello" }
  /** Any message proves life, not only a pong. */
  | { readonly kind: "heard" }
  /** `roll` in [0, 1): the jitter. */
  | { readonly kind: "ended"; readonly how: string; readonly roll: number }
  /** The child was asked to stop; past `within` it is killed. */
  | { readonly kind: "stop"; readonly within: Ms }
  | { readonly kind: "wake" };

export type ChildAction =
  | { readonly kind: "spawn" }
  | { readonly kind: "ping"; readonly n: number }
  | { readonly kind: "kill"; readonly why: string }
  | { readonly kind: "moved"; readonly from: Phase; readonly to: Phase; readonly why: string };

type Step = readonly [Child, readonly ChildAction[]];

export function idle(policy: ChildPolicy): Child {
  return {
    policy,
    phase: "stopped",
    failures: 0,
    restarts: 0,
    dueAt: undefined,
    upSince: undefined,
    pings: 0,
    pingAt: undefined,
    unansweredSince: undefined,
  };
}

export function step(child: Child, event: ChildEvent, now: Instant): Step {
  switch (event.kind) {
    case "start":
      return child.phase === "stopped" ? spawn({ ...child, failures: 0 }, now, "start") : [child, []];
    case "adopted":
      if (child.phase !== "stopped") return [child, []];
      return move(
        { ...quiet(child), failures: 0, dueAt: after(now, child.policy.helloWithin) },
        "starting",
        "taken over",
      );
    case "hello":
      if (child.phase !== "starting") return [child, []];
      return move({ ...quiet(child), upSince: now, pingAt: nextPing(child.policy, now) }, "up", "hello");
    case "heard":
      if (child.phase === "silent")
        return move({ ...child, unansweredSince: undefined, dueAt: undefined }, "up", "answers again");
      return [{ ...child, unansweredSince: undefined }, []];
    case "ended":
      return ended(child, event.how, event.roll, now);
    case "stop":
      if (child.phase === "stopped") return [child, []];
      if (child.phase === "backoff") return move(quiet(child), "stopped", "stop");
      return move({ ...quiet(child), dueAt: after(now, event.within) }, "stopping", "stop");
    case "wake":
      return wake(child, now);
    default:
      return unreachable(event);
  }
}

export function nextWake(child: Child): Instant | undefined {
  const { policy, unansweredSince } = child;
  const down = unansweredSince === undefined ? undefined : after(unansweredSince, verdictAfter(child.phase, policy));
  return earliest(child.dueAt, earliest(child.pingAt, down));
}

function wake(child: Child, now: Instant): Step {
  const at = nextWake(child);
  if (at === undefined || now < at) return [child, []];
  const { policy } = child;
  const due = child.dueAt !== undefined && now >= child.dueAt;
  switch (child.phase) {
    case "stopped":
      return [child, []];
    case "backoff":
      return due ? spawn({ ...child, restarts: child.restarts + 1 }, now, "back-off over") : [child, []];
    case "starting":
      if (!due) return [child, []];
      return [{ ...child, dueAt: undefined }, [{ kind: "kill", why: `no hello for ${policy.helloWithin} ms` }]];
    case "stopping":
      return due ? [{ ...child, dueAt: undefined }, [{ kind: "kill", why: "did not stop in time" }]] : [child, []];
    case "up":
    case "silent":
      // Late by more than a ping: it is us who slept. Judge nobody; ask again.
      if (since(at, now) > policy.pingEvery) return ping({ ...child, unansweredSince: undefined }, now);
      return watch(child, now);
    default:
      return unreachable(child.phase);
  }
}

function watch(child: Child, now: Instant): Step {
  const { policy, unansweredSince } = child;
  const silence = unansweredSince === undefined ? ms(0) : since(unansweredSince, now);
  if (child.phase === "up" && silence >= policy.silentAfter) {
    const [silent, moved] = move(child, "silent", `no answer for ${policy.silentAfter} ms`);
    const [next, actions] = watch(silent, now);
    return [next, [...moved, ...actions]];
  }
  if (child.phase === "silent" && silence >= policy.killAfter) {
    return [
      { ...child, pingAt: undefined, unansweredSince: undefined },
      [{ kind: "kill", why: `no answer for ${policy.killAfter} ms` }],
    ];
  }
  return child.pingAt !== undefined && now >= child.pingAt ? ping(child, now) : [child, []];
}

function ping(child: Child, now: Instant): Step {
  const n = child.pings + 1;
  const unansweredSince = child.unansweredSince ?? now;
  return [{ ...child, pings: n, pingAt: nextPing(child.policy, now), unansweredSince }, [{ kind: "ping", n }]];
}

/** On multiples of the interval: the pings of all children are one wake-up of an idle host. */
function nextPing({ pingEvery }: ChildPolicy, now: Instant): Instant {
  return instant((Math.floor(now / pingEvery) + 1) * pingEvery);
}

function ended(child: Child, how: string, roll: number, now: Instant): Step {
  if (child.phase === "stopping") return move({ ...quiet(child), failures: 0 }, "stopped", how);
  if (child.phase === "stopped" || child.phase === "backoff") return [child, []];
  const stable = child.upSince !== undefined && since(child.upSince, now) >= child.policy.stableAfter;
  const failures = stable ? 1 : child.failures + 1;
  return move({ ...quiet(child), failures, dueAt: after(now, backoff(child.policy, failures, roll)) }, "backoff", how);
}

/** The pause before restart number `failures`: doubling, the upper half of it random, within the policy's bounds. */
export function backoff(policy: ChildPolicy, failures: number, roll: number): Ms {
  const most = Math.min(policy.backoffMost, policy.backoffLeast * 2 ** Math.min(failures, 30));
  return ms(Math.max(policy.backoffLeast, most * (0.5 + roll / 2)));
}

function spawn(child: Child, now: Instant, why: string): Step {
  const [next, moved] = move({ ...quiet(child), dueAt: after(now, child.policy.helloWithin) }, "starting", why);
  return [next, [...moved, { kind: "spawn" }]];
}

function quiet(child: Child): Child {
  return { ...child, dueAt: undefined, upSince: undefined, pingAt: undefined, unansweredSince: undefined };
}

function move(child: Child, to: Phase, why: string): Step {
  return [{ ...child, phase: to }, [{ kind: "moved", from: child.phase, to, why }]];
}

function verdictAfter(phase: Phase, policy: ChildPolicy): Ms {
  return phase === "silent" ? policy.killAfter : policy.silentAfter;
}
