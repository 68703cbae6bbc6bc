import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { after, type Instant, instant, ms } from "../../../base/unit.ts";
import {
  backoff,
  type Child,
  type ChildAction,
  type ChildEvent,
  type ChildPolicy,
  idle,
  nextWake,
  step,
} from "../../../daemon/supervisor/machine.ts";

const POLICY: ChildPolicy = {
  backoffLeast: ms(100),
  backoffMost: ms(10_000),
  stableAfter: ms(30_000),
  helloWithin: ms(5_000),
  pingEvery: ms(250),
  silentAfter: ms(1_000),
  killAfter: ms(3_000),
};

/** A child under a virtual clock; `answers` says whether pings are answered at once. */
class World {
  child: Child = idle(POLICY);
  now: Instant = instant(0);
  answers = true;
  readonly log: { readonly at: Instant; readonly action: ChildAction }[] = [];

  feed(event: ChildEvent): void {
    const [next, actions] = step(this.child, event, this.now);
    this.child = next;
    for (const action of actions) {
      this.log.push({ at: this.now, action });
      if (action.kind === "ping" && this.answers) this.feed({ kind: "heard" });
    }
  }
  run(span: number): void {
    const end = after(this.now, ms(span));
    for (;;) {
      const at = nextWake(this.child);
      if (at === undefined || at > end) break;
      this.now = at > this.now ? at : this.now;
      this.feed({ kind: "wake" });
    }
    this.now = end;
  }
  kinds(): string[] {
    return this.log
      .map(({ action }) => (action.kind === "moved" ? action.to : action.kind))
      .filter((kind) => kind !== "ping");
  }
}

function up(): World {
  const world = new World();
  world.feed({ kind: "start" });
  world.feed({ kind: "hello" });
  return world;
}

describe("supervisor: start and stop", () => {
  it("spawns on start and is up after hello", () => {
    const world = up();
    expect(world.kinds()).toEqual(["starting", "spawn", "up"]);
  });
  it("kills a child that says no hello", () => {
    const world = new World();
    world.feed({ kind: "start" });
    world.run(5_000);
    expect(world.kinds()).toEqual(["starting", "spawn", "kill"]);
  });
  it("stops without a restart, and kills what does not end in time", () => {
    const world = up();
    world.feed({ kind: "stop", within: ms(2_000) });
    world.run(1_999);
    expect(world.kinds()).not.toContain("kill");
    world.run(1);
    expect(world.kinds().at(-1)).toBe("kill");
    world.feed({ kind: "ended", how: "signal SIGKILL", roll: 0.5 });
    expect(world.child.phase).toBe("stopped");
    expect(nextWake(world.child)).toBeUndefined();
  });
  it("a stop during back-off ends it at once", () => {
    const world = up();
    world.feed({ kind: "ended", how: "exit 1", roll: 0 });
    world.feed({ kind: "stop", within: ms(1) });
    expect(world.child.phase).toBe("stopped");
    world.run(60_000);
    expect(world.kinds().filter((kind) => kind === "spawn")).toHaveLength(1);
  });
});

describe("supervisor: liveness", () => {
  it("an answering child stays up for ever", () => {
    const world = up();
    world.run(3_600_000);
    expect(world.child.phase).toBe("up");
    expect(world.kinds()).toEqual(["starting", "spawn", "up"]);
  });
  it("a frozen child counts as down after silentAfter, is killed after killAfter, then restarted", () => {
    const world = up();
    world.run(10_000);
    world.answers = false;
    const frozen = world.now;
    world.run(10_000);
    const at = (kind: string): number => {
      const found = world.log.find(
        ({ action, at }) => at > frozen && (action.kind === kind || (action.kind === "moved" && action.to === kind)),
      );
      return found === undefined ? Number.NaN : found.at - frozen;
    };
    expect(at("silent")).toBeGreaterThanOrEqual(1_000);
    expect(at("silent")).toBeLessThanOrEqual(1_250);
    expect(at("kill")).toBeGreaterThanOrEqual(3_000);
    expect(at("kill")).toBeLessThanOrEqual(3_250);
    world.feed({ kind: "ended", how: "signal SIGKILL", roll: 0 });
    world.run(100);
    expect(world.child.phase).toBe("starting");
  });
  it("a child that answers again before the kill is up again", () => {
    const world = up();
    world.answers = false;
    world.run(2_000);
    expect(world.child.phase).toBe("silent");
    world.answers = true;
    world.feed({ kind: "heard" });
    expect(world.child.phase).toBe("up");
    world.run(60_000);
    expect(world.kinds()).not.toContain("kill");
  });
  it("our own sleep kills nobody: a late wake asks again instead of judging", () => {
    const world = up();
    world.answers = false;
    world.run(300); // one ping is out
    world.now = after(world.now, ms(60_000)); // control frozen for a minute
    world.answers = true;
    world.feed({ kind: "wake" });
    world.run(1_000);
    expect(world.child.phase).toBe("up");
    expect(world.kinds()).toEqual(["starting", "spawn", "up"]);
  });
});

describe("supervisor: back-off", () => {
  it("stays within 100 ms … 10 s and never shrinks its lower bound", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, roll) => {
          const pause = backoff(POLICY, failures, roll);
          expect(pause).toBeGreaterThanOrEqual(100);
          expect(pause).toBeLessThanOrEqual(10_000);
          expect(backoff(POLICY, failures + 1, roll)).toBeGreaterThanOrEqual(pause);
        },
      ),
    );
  });
  it("starts over after a stable time", () => {
    const world = up();
    for (let round = 0; round < 8; round++) {
      world.feed({ kind: "ended", how: "exit 1", roll: 0.9 });
      world.run(10_000);
      world.feed({ kind: "hello" });
    }
    expect(world.child.failures).toBe(8);
    world.run(30_000);
    world.feed({ kind: "ended", how: "exit 1", roll: 0 });
    expect(world.child.failures).toBe(1);
  });
});

describe("supervisor: any order of events", () => {
  const event = fc.oneof(
    fc.constantFrom<ChildEvent>({ kind: "start" }, { kind: "hello" }, { kind: "heard" }, { kind: "wake" }),
    fc.record({
      kind: fc.constant("ended" as const),
      how: fc.constant("exit 1"),
      roll: fc.double({ min: 0, max: 0.99, noNaN: true }),
    }),
    fc.record({ kind: fc.constant("stop" as const), within: fc.integer({ min: 1, max: 5_000 }).map(ms) }),
  );
  it("at most one process lives; a wake never asks for the past for ever", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.integer({ min: 0, max: 20_000 })), { maxLength: 60 }), (script) => {
        const world = new World();
        let alive = 0;
        let seen = 0;
        for (const [next, pause] of script) {
          if (next.kind === "ended" && alive === 0) continue;
          if (next.kind === "ended") alive--;
          world.feed(next);
          world.run(pause);
          for (; seen < world.log.length; seen++) if (world.log[seen]?.action.kind === "spawn") alive++;
          expect(alive).toBeLessThanOrEqual(1);
          expect(["starting", "up", "silent"].includes(world.child.phase) ? alive : 1).toBe(1);
          const at = nextWake(world.child);
          if (at !== undefined) expect(at).toBeGreaterThan(world.now - 1);
        }
      }),
    );
  });
});
