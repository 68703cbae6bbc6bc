/** What the children are started with, and how patient the supervisor is with them. */
import { closeSync, existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import * as z from "zod";
import type { Clock } from "../../base/clock.ts";
import { LEVELS, type Log } from "../../base/log.ts";
import { ms, seconds } from "../../base/unit.ts";
import { DOOR } from "../../netstack/kernel/arguments.ts";
import { listenTcp } from "../../netstack/kernel/sockets.ts";
import type { Settings } from "../../resources/settings.ts";
import type { Events } from "../events.ts";
import type { DataplanesParts } from "../parts/dataplanes.ts";
import type { RoutingParts } from "../parts/routing.ts";
import type { VipsParts } from "../parts/vips.ts";
import type { ServiceManager } from "../systemd.ts";
import type { FromWan, ToWan } from "../wan/words.ts";
import { Adopted } from "./adopted.ts";
import { type Message, type Running, type RunningHandler, type Spawn, Supervised } from "./child.ts";
import { parseFromDataplane } from "./dataplane-words.ts";
import type { Early } from "./early.ts";
import { type Inheritance, type Inherited, identify, storedName } from "./inheritance.ts";
import type { ChildPolicy, Phase } from "./machine.ts";
import type { ChildRegister } from "./register.ts";

export interface ChildrenParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
  readonly log: Log;
  readonly register: ChildRegister;
  readonly early: Early;
  readonly inheritance: Inheritance;
  readonly manager: Pick<ServiceManager, "keep" | "forget">;
}

export interface Children {
  readonly dataplanes: Pick<DataplanesParts, "workers" | "supervise" | "predecessors" | "open" | "close">;
  readonly pulse: VipsParts["supervise"];
  readonly routing: RoutingParts["supervise"];
  readonly wan: (received: (message: FromWan) => void, moved: (to: Phase) => void) => Supervised<ToWan, FromWan>;
}

const POLICY: ChildPolicy = {
  backoffLeast: ms(100),
  backoffMost: seconds(5),
  // Whoever worked for so long is worth starting at once: a long pause would cost more than the crash did.
  stableAfter: seconds(5),
  helloWithin: seconds(10),
  pingEvery: ms(500),
  silentAfter: seconds(1),
  killAfter: seconds(2),
};

/** A table of a hundred thousand routes is more than one turn's work: less hurry to call it dead. */
const ROUTING_POLICY: ChildPolicy = { ...POLICY, silentAfter: seconds(3), killAfter: seconds(10) };

/** It waits for programs that it starts, and for the kernel's lists of flows. */
const WAN_POLICY: ChildPolicy = ROUTING_POLICY;

export function childrenOf(parts: ChildrenParts): Children {
  const { settings, events, early } = parts;
  const { workers, engine } = settings.dataplane;
  const level = ["--log-level", settings.log.level];
  const user = dataplaneUser(settings.dataplane.user, events);
  return {
    pulse: (received, moved) => {
      const said = sayer(parts.log, "pulse");
      const spawn = early.pulse.spawning({ args: [...level, DOOR], said });
      // Pulse reads little that is hostile and has rights of its own: it is trusted.
      return supervised(parts, { name: "pulse", spawn, said, parse: trusted, received, moved });
    },
    routing: (received, moved) => {
      const said = sayer(parts.log, "routing");
      const spawn = early.routing.spawning({ args: [...level, DOOR], said });
      const policy = ROUTING_POLICY;
      return supervised(parts, { name: "routing", spawn, said, parse: trusted, received, moved, policy });
    },
    wan: (received, moved) => {
      const said = sayer(parts.log, "wan");
      const args = [...level, DOOR, "--state", settings.paths.state, "--run", dirname(settings.admin.socket)];
      const spawn = early.wan.spawning({ args, said });
      return supervised(parts, { name: "wan", spawn, said, parse: trusted, received, moved, policy: WAN_POLICY });
    },
    dataplanes: {
      workers: workers === "auto" ? availableParallelism() : workers,
      supervise: (worker, received, moved) => {
        const args = ["--worker", String(worker), "--engine", engine, "--user", user, ...level];
        const name = `dataplane/${worker}`;
        const said = sayer(parts.log, name);
        const spawn = early.dataplane.spawning({ args, said });
        // One that runs already is a predecessor: a new control has new data planes.
        return supervised(parts, { name, spawn, said, parse: parseFromDataplane, received, moved, fresh: true });
      },
      predecessors: (received, moved) =>
        parts.inheritance.takeDataplanes().map((inherited, index) => {
          const name = `${inherited.name}@${inherited.pid}`;
          return supervised(parts, {
            name,
            inherited,
            spawn: () => {
              throw new TypeError(`${name} cannot be started again`);
            },
            said: sayer(parts.log, name),
            parse: parseFromDataplane,
            received: (message) => received(index, message),
            moved: (to) => moved(index, to),
          });
        }),
      open: ({ ip, port }) => listenTcp({ ip, port, freebind: true, reusePort: true }),
      close: closeSync,
    },
  };
}

interface Kind<To extends Message, From extends Message> {
  readonly name: string;
  readonly spawn: Spawn<To, From>;
  readonly said: (line: string) => void;
  /** undefined: it is not to be believed any more. */
  readonly parse: (message: From) => From | undefined;
  readonly received: (message: From) => void;
  readonly moved: (to: Phase) => void;
  readonly policy?: ChildPolicy;
  /** What runs already is not taken over. */
  readonly fresh?: boolean;
  /** Taken over in place of what has this one's name. */
  readonly inherited?: Inherited;
}

function supervised<To extends Message, From extends Message>(
  { clock, wall, events, register, inheritance, manager }: ChildrenParts,
  { name, spawn, said, parse, received, moved, policy = POLICY, fresh = false, inherited }: Kind<To, From>,
): Supervised<To, From> {
  /** The handler between process and supervisor; `kept` is the process's name in the store. */
  const between = (on: RunningHandler<From>, running: () => Running<To>, kept: () => string | undefined) => ({
    received: (message: From) => {
      const word = parse(message);
      if (word !== undefined) return on.received(word);
      events.emit("child.babbled", { child: name }, "error");
      running().kill();
    },
    ended: (how: string) => {
      register.remove(name);
      const stored = kept();
      if (stored !== undefined) manager.forget(stored);
      on.ended(how);
    },
  });
  return new Supervised<To, From>({
    name,
    policy,
    clock,
    wall,
    random: Math.random,
    events,
    received,
    moved,
    spawn: (on) => {
      let stored: string | undefined;
      const running: Running<To> = spawn(
        between(
          on,
          () => running,
          () => stored,
        ),
      );
      register.add(name, running.pid);
      const identity = identify(name, running.pid, wall());
      if (identity === undefined || running.door === undefined) return running;
      stored = storedName(identity);
      const why = manager.keep(stored, running.door);
      // The next control cannot take it over: then its restart costs what it does without a service manager.
      if (why !== undefined) events.emit("child.not-kept", { child: name, pid: running.pid, why }, "warn");
      return running;
    },
    adopt: (on) => {
      const taken = inherited ?? (fresh ? undefined : inheritance.take(name));
      if (taken === undefined) return undefined;
      const running: Running<To> = new Adopted<To, From>(
        taken,
        said,
        between(
          on,
          () => running,
          () => storedName(taken),
        ),
      );
      register.add(name, taken.pid);
      return { running, since: taken.since };
    },
  });
}

function trusted<From>(message: From): From {
  return message;
}

/** A child's own log lines are JSON and become ours; anything else is its last words, a crash's stack mostly. */
function sayer(log: Log, child: string): (line: string) => void {
  return (line) => {
    const parsed = lineOf(line);
    if (parsed === undefined) return log.error("child.said", { child, line });
    const { level, name, time: _time, ...fields } = parsed;
    log[level](name, fields);
  };
}

function lineOf(line: string): z.output<typeof childLine> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed = childLine.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
const childLine = z.looseObject({ level: z.enum(LEVELS), name: z.string(), time: z.unknown() });

/** A user that does not exist here is replaced by nobody: unprivileged all the same. */
function dataplaneUser(wanted: string, events: Events): string {
  const known = existsSync("/etc/passwd") && readFileSync("/etc/passwd", "utf8").split("\n");
  if (known !== false && known.some((line) => line.startsWith(`${wanted}:`))) return wanted;
  events.emit("dataplane.user-missing", { user: wanted, instead: "nobody" }, "warn");
  return "nobody";
}
