/** What the children are started with, and how patient the supervisor is with them. */
import { closeSync, existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import * as z from "zod";
import type { Clock } from "../../base/clock.ts";
import { LEVELS, type Log } from "../../base/log.ts";
import { ms, seconds } from "../../base/unit.ts";
import { listenTcp } from "../../netstack/kernel/sockets.ts";
import type { Settings } from "../../resources/settings.ts";
import type { Events } from "../events.ts";
import type { DataplanesParts } from "../parts/dataplanes.ts";
import type { RoutingParts } from "../parts/routing.ts";
import type { VipsParts } from "../parts/vips.ts";
import type { FromWan, ToWan } from "../wan/words.ts";
import { type Message, type Spawn, Supervised } from "./child.ts";
import { parseFromDataplane } from "./dataplane-words.ts";
import type { Early } from "./early.ts";
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
}

export interface Children {
  readonly dataplanes: Pick<DataplanesParts, "workers" | "supervise" | "open" | "close">;
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
      const spawn = early.pulse.spawning({ args: level, said: sayer(parts.log, "pulse") });
      // Pulse reads little that is hostile and has rights of its own: it is trusted.
      return supervised(parts, "pulse", spawn, (message) => message, received, moved);
    },
    routing: (received, moved) => {
      const spawn = early.routing.spawning({ args: level, said: sayer(parts.log, "routing") });
      return supervised(parts, "routing", spawn, (message) => message, received, moved, ROUTING_POLICY);
    },
    wan: (received, moved) => {
      const args = [...level, "--state", settings.paths.state, "--run", dirname(settings.admin.socket)];
      const spawn = early.wan.spawning({ args, said: sayer(parts.log, "wan") });
      return supervised(parts, "wan", spawn, (message) => message, received, moved, WAN_POLICY);
    },
    dataplanes: {
      workers: workers === "auto" ? availableParallelism() : workers,
      supervise: (worker, received, moved) => {
        const args = ["--worker", String(worker), "--engine", engine, "--user", user, ...level];
        const name = `dataplane/${worker}`;
        const spawn = early.dataplane.spawning({ args, said: sayer(parts.log, name) });
        return supervised(parts, name, spawn, parseFromDataplane, received, moved);
      },
      open: ({ ip, port }) => listenTcp({ ip, port, freebind: true, reusePort: true }),
      close: closeSync,
    },
  };
}

function supervised<To extends Message, From extends Message>(
  { clock, wall, events, register }: ChildrenParts,
  name: string,
  spawn: Spawn<To, From>,
  parse: (message: From) => From | undefined,
  received: (message: From) => void,
  moved: (to: Phase) => void,
  policy: ChildPolicy = POLICY,
): Supervised<To, From> {
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
      const running = spawn({
        received: (message) => {
          const word = parse(message);
          if (word !== undefined) return on.received(word);
          events.emit("child.babbled", { child: name }, "error");
          running.kill();
        },
        ended: (how) => {
          register.remove(name);
          on.ended(how);
        },
      });
      register.add(name, running.pid);
      return running;
    },
  });
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
