/** The hands of machine.ts: one supervised child process.  How a process is made is a parameter (spawn.ts). */
import type { Clock } from "../../base/clock.ts";
import { unreachable } from "../../base/result.ts";
import { type Ms, ms } from "../../base/unit.ts";
import type { ProcessStatus } from "../admin/api.ts";
import type { Events } from "../events.ts";
import {
  type Child,
  type ChildAction,
  type ChildEvent,
  type ChildPolicy,
  idle,
  nextWake,
  type Phase,
  step,
} from "./machine.ts";

export interface Message {
  readonly kind: string;
}

/** A running process with its channel. */
export interface Running<To extends Message> {
  readonly pid: number;
  send(message: To | Ping): void;
  /** Lends a listening socket, in order with the messages; the caller keeps and closes its own. */
  hand(key: string, fd: number): void;
  kill(): void;
  /** By which another control can take it over. */
  readonly door?: number | undefined;
}
export interface Ping {
  readonly kind: "ping";
  readonly n: number;
}
export interface RunningHandler<From extends Message> {
  received(message: From): void;
  /** The process is gone and its last message was delivered. */
  ended(how: string): void;
}
/** Throws a Fault when the process cannot be started. */
export type Spawn<To extends Message, From extends Message> = (on: RunningHandler<From>) => Running<To>;

/** A process that runs already, and when it was started (milliseconds since the epoch); undefined: there is none. */
export type Adopt<To extends Message, From extends Message> = (
  on: RunningHandler<From>,
) => { readonly running: Running<To>; readonly since: number } | undefined;

export interface SupervisedParts<To extends Message, From extends Message> {
  readonly name: string;
  readonly policy: ChildPolicy;
  readonly spawn: Spawn<To, From>;
  readonly adopt?: Adopt<To, From> | undefined;
  readonly clock: Clock;
  readonly wall: () => number;
  /** [0, 1) */
  readonly random: () => number;
  readonly events: Events;
  readonly received: (message: From) => void;
  readonly moved: (to: Phase, why: string) => void;
}

export class Supervised<To extends Message, From extends Message> {
  readonly name: string;
  readonly #parts: SupervisedParts<To, From>;
  #child: Child;
  #running: Running<To> | undefined;
  #alarm: Disposable | undefined;
  #startedAt: number | undefined;
  #lastEnd: string | undefined;
  /** The process that runs was taken over: it has told all that it knows, or not yet. */
  #takenOver: "no" | "telling" | "told" = "no";
  #stopped: (() => void)[] = [];

  constructor(parts: SupervisedParts<To, From>) {
    this.name = parts.name;
    this.#parts = parts;
    this.#child = idle(parts.policy);
  }

  get phase(): Phase {
    return this.#child.phase;
  }
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** The process that runs was started by an earlier control. */
  get adopted(): boolean {
    return this.#takenOver !== "no";
  }
  /** It was taken over, and has not told everything yet. */
  get telling(): boolean {
    return this.#takenOver === "telling";
  }

  /** A process that runs already is taken over. */
  start(): void {
    if (!this.adopt()) this.#feed({ kind: "start" });
  }
  /** false: there is nothing to take over, or something runs. */
  adopt(): boolean {
    const { adopt, events } = this.#parts;
    if (adopt === undefined || this.#child.phase !== "stopped") return false;
    const taken: ReturnType<typeof adopt> = adopt({
      received: (message) => this.#received(message),
      ended: (how) => this.#ended(taken?.running, how),
    });
    if (taken === undefined) return false;
    this.#running = taken.running;
    this.#startedAt = taken.since;
    this.#takenOver = "telling";
    events.emit("child.taken-over", { child: this.name, pid: taken.running.pid });
    this.#feed({ kind: "adopted" });
    return true;
  }

  /** Dropped while no process runs: whoever sends state sends all of it again when the child is up. */
  send(message: To): void {
    this.#running?.send(message);
  }
  hand(key: string, fd: number): void {
    this.#running?.hand(key, fd);
  }

  /** Sends `ask`, and resolves when the process is gone; past `within` it is killed. */
  stop(ask: To, within: Ms): Promise<void> {
    if (this.#child.phase === "stopped") return Promise.resolve();
    return new Promise((resolve) => {
      this.#stopped.push(resolve);
      this.#running?.send(ask);
      this.#feed({ kind: "stop", within });
    });
  }

  /** No more patience: SIGKILL, no restart. */
  kill(): void {
    this.#feed({ kind: "stop", within: ms(0) });
    this.#running?.kill();
  }

  status(memory: (pid: number) => number | undefined): ProcessStatus {
    const pid = this.#running?.pid;
    return {
      name: this.name,
      pid,
      state: this.#child.phase,
      startedAt: this.#startedAt,
      restarts: this.#child.restarts,
      lastEnd: this.#lastEnd,
      memory: pid === undefined ? undefined : memory(pid),
    };
  }

  #feed(event: ChildEvent): void {
    const [next, actions] = step(this.#child, event, this.#parts.clock.now());
    this.#child = next;
    for (const action of actions) this.#perform(action);
    this.#alarm?.[Symbol.dispose]();
    const at = nextWake(this.#child);
    this.#alarm = at === undefined ? undefined : this.#parts.clock.wakeAt(at, () => this.#feed({ kind: "wake" }));
  }

  #perform(action: ChildAction): void {
    const { name, events, moved } = this.#parts;
    switch (action.kind) {
      case "spawn":
        this.#spawn();
        return;
      case "ping":
        this.#running?.send({ kind: "ping", n: action.n });
        return;
      case "kill":
        events.emit("child.killed", { child: name, pid: this.pid, why: action.why }, "warn");
        this.#running?.kill();
        return;
      case "moved": {
        const { from, to, why } = action;
        const level = to === "backoff" || to === "silent" ? "warn" : "info";
        events.emit("child.moved", { child: name, pid: this.pid, from, to, why }, level);
        moved(to, why);
        if (to === "stopped") for (const resolve of this.#stopped.splice(0)) resolve();
        return;
      }
      default:
        unreachable(action);
    }
  }

  #spawn(): void {
    const { spawn, wall } = this.#parts;
    this.#startedAt = wall();
    try {
      const running: Running<To> = spawn({
        received: (message) => this.#received(message),
        ended: (how) => this.#ended(running, how),
      });
      this.#running = running;
    } catch (error) {
      const how = `could not be started: ${error instanceof Error ? error.message : String(error)}`;
      // Not from within the step that asked for the spawn: one event at a time.
      queueMicrotask(() => this.#ended(undefined, how));
    }
  }

  #received(message: From): void {
    if (message.kind === "hello") this.#feed({ kind: "hello" });
    else this.#feed({ kind: "heard" });
    if (message.kind === "told") return this.#told();
    if (message.kind !== "pong") this.#parts.received(message);
  }

  #told(): void {
    if (this.#takenOver !== "telling") return;
    this.#takenOver = "told";
    this.#parts.moved(this.#child.phase, "told");
  }

  #ended(running: Running<To> | undefined, how: string): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    this.#takenOver = "no";
    this.#startedAt = undefined;
    this.#lastEnd = how;
    this.#feed({ kind: "ended", how, roll: this.#parts.random() });
  }
}
