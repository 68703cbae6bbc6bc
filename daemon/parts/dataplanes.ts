/**
 * The data-plane processes as one: the same configuration and a listening socket per listener for each of them, their
 * reports as facts.  Idempotent: `want` may be called as often as one likes and does what is missing.
 */
import { hostAndPort } from "../../base/address.ts";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/fault.ts";
import { unreachable } from "../../base/result.ts";
import { after, type Instant, type Ms, ms, seconds, since } from "../../base/unit.ts";
import type { Fd } from "../../netstack/kernel/loop.ts";
import type { ProxyConfig } from "../../proxy/config.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";
import type { ProcessStatus } from "../admin/api.ts";
import { endpointKey, endpointText } from "../desired/facts.ts";
import type { SocketWanted } from "../desired/proxy.ts";
import type { Events } from "../events.ts";
import type { Supervised } from "../supervisor/child.ts";
import type { Phase } from "../supervisor/machine.ts";
import { Counters } from "./counters.ts";
import { Predecessors, type TakeOver } from "./predecessors.ts";

type Worker = Supervised<ToDataplane, FromDataplane>;

export interface DataplanesParts {
  readonly workers: number;
  readonly supervise: (
    worker: number,
    received: (message: FromDataplane) => void,
    moved: (to: Phase) => void,
  ) => Worker;
  /** Those of earlier controls, if any. */
  readonly predecessors?: TakeOver;
  /** A listening socket of its own for one worker (SO_REUSEPORT); throws a Fault. */
  readonly open: (socket: SocketWanted) => Fd;
  readonly close: (fd: Fd) => void;
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
  /** Something that others decide on has changed. */
  readonly changed: () => void;
}

export interface Verdict {
  readonly healthy: boolean;
  readonly why: string;
  readonly since: number;
}

export class Dataplanes {
  readonly #parts: DataplanesParts;
  readonly #workers: readonly WorkerState[];
  readonly #predecessors: Predecessors;
  readonly #counters = new Counters();
  readonly #health = new Map<string, Verdict>();
  #failures = new Map<string, string>();
  #config: ProxyConfig | undefined;
  #sockets: readonly SocketWanted[] = [];
  #retry: Disposable | undefined;

  constructor(parts: DataplanesParts) {
    this.#parts = parts;
    this.#workers = Array.from({ length: parts.workers }, (_, worker) => {
      const state: WorkerState = new WorkerState(
        parts.supervise(
          worker,
          (message) => this.#received(worker, message),
          (to) => this.#moved(worker, to),
        ),
      );
      return state;
    });
    this.#predecessors = new Predecessors({
      takeOver: parts.predecessors ?? (() => []),
      received: (name, message) => this.#inherited(name, message),
      ended: (name) => this.#counters.ended(name),
      changed: () => this.#changed(),
    });
  }

  start(): void {
    this.#predecessors.start();
    for (const { child } of this.#workers) child.start();
  }

  want(config: ProxyConfig, sockets: readonly SocketWanted[]): void {
    this.#config = config;
    this.#sockets = sockets;
    this.#push();
  }

  /** Keys on which at least one worker accepts that answers. */
  listening(): ReadonlySet<string> {
    const own = this.#workers.flatMap(({ child, listening }) => (child.phase === "up" ? [...listening] : []));
    return new Set([...own, ...this.#predecessors.listening()]);
  }
  /** How many workers accept on `key`. */
  accepting(key: string): number {
    return this.#workers.filter(({ child, listening }) => child.phase === "up" && listening.has(key)).length;
  }
  /** `endpointKey` → verdict. */
  get health(): ReadonlyMap<string, Verdict> {
    return this.#health;
  }
  /** Listener key → why it could not be opened. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }
  get counters(): Counters {
    return this.#counters;
  }
  get engine(): { readonly engine: string; readonly why: string } {
    return this.#workers.find(({ engine }) => engine.engine !== "")?.engine ?? { engine: "", why: "" };
  }
  get workers(): number {
    return this.#workers.length;
  }
  /** Forgets verdicts on endpoints that the wanted configuration does not have. */
  prune(): void {
    const endpoints = new Set(
      (this.#config?.backends ?? []).flatMap(({ name, endpoints }) =>
        endpoints.map(({ address, port }) => endpointKey(name, hostAndPort(address, port))),
      ),
    );
    for (const key of this.#health.keys()) if (!endpoints.has(key)) this.#health.delete(key);
  }

  /** Workers that run without the wanted configuration: they refused it, or owe their confirmation for too long. */
  refusals(): readonly { readonly name: string; readonly why: string }[] {
    const now = this.#parts.clock.now();
    return this.#workers.flatMap(({ child, sent, applied, sentAt, refused }) => {
      const { name, phase } = child;
      if (phase !== "up" || sent === applied || sentAt === undefined) return [];
      if (refused !== undefined && refused.version === sent) return [{ name, why: refused.why }];
      return since(sentAt, now) < LONGEST_APPLY ? [] : [{ name, why: UNCONFIRMED }];
    });
  }
  /** Every worker that runs has the wanted configuration in force, and one does run. */
  settled(): boolean {
    const version = this.#config?.version;
    const up = this.#workers.filter(({ child }) => child.phase === "up");
    return version !== undefined && up.length > 0 && up.every(({ applied }) => applied === version);
  }
  /** Every worker has the wanted configuration in force. */
  applied(): boolean {
    const version = this.#config?.version;
    return (
      version !== undefined && this.#workers.every(({ child, applied }) => child.phase === "up" && applied === version)
    );
  }
  /** Data planes of an earlier control run, and these here do not serve yet. */
  takingOver(): boolean {
    const { size, telling } = this.#predecessors;
    return size > 0 && (telling || !this.applied());
  }
  alive(): boolean {
    return this.#workers.every(({ child }) => child.phase !== "silent") && this.#predecessors.alive();
  }
  status(memory: (pid: number) => number | undefined): readonly ProcessStatus[] {
    return [...this.#workers.map(({ child }) => child.status(memory)), ...this.#predecessors.status(memory)];
  }

  /** Finishes what is under way, at most `grace` ms, then ends. */
  async drain(grace: number): Promise<void> {
    this.#retry?.[Symbol.dispose]();
    const within = ms(grace + 1_000);
    await Promise.all([
      this.#predecessors.drain(ms(grace)),
      ...this.#workers.map(({ child }) => child.stop({ kind: "drain", grace }, within)),
    ]);
  }
  /** Connections end with their next answer; resolves when none is left anywhere (true), or after `patience`. */
  async hush(patience: Ms): Promise<boolean> {
    const { clock } = this.#parts;
    const up = this.#workers.filter(({ child }) => child.phase === "up");
    return await new Promise<boolean>((resolve) => {
      const late = clock.wakeAt(after(clock.now(), patience), () => resolve(false));
      const left = new Set(up);
      for (const state of up) {
        state.hushed = () => {
          if (!left.delete(state) || left.size > 0) return;
          late[Symbol.dispose]();
          resolve(true);
        };
        state.child.send({ kind: "hush" });
      }
    });
  }
  kill(): void {
    this.#retry?.[Symbol.dispose]();
    this.#predecessors.kill();
    for (const { child } of this.#workers) child.kill();
  }

  #changed(): void {
    if (this.#predecessors.size > 0 && this.applied()) this.#predecessors.retire();
    this.#parts.changed();
  }

  /** From a data plane of an earlier control, whose verdicts hold until our own checks have some. */
  #inherited(name: string, message: FromDataplane): void {
    if (message.kind === "health") this.#judged(name, message);
    else if (message.kind === "stats") this.#counters.update(name, message.stats);
  }

  #push(): void {
    const failures = new Map<string, string>();
    for (const state of this.#workers) this.#pushTo(state, failures);
    for (const [key, why] of failures) {
      if (this.#failures.get(key) !== why) this.#parts.events.emit("listener.failed", { key, why }, "error");
    }
    this.#failures = failures;
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
    if (failures.size === 0) return;
    const { clock, changed } = this.#parts;
    this.#retry = clock.wakeAt(after(clock.now(), RETRY), changed);
  }

  #pushTo(state: WorkerState, failures: Map<string, string>): void {
    const config = this.#config;
    const { child } = state;
    if (config === undefined || (child.phase !== "up" && child.phase !== "silent")) return;
    const keys = new Set(this.#sockets.map(({ key }) => key));
    for (const key of state.handed) if (!keys.has(key)) state.handed.delete(key);
    let fresh = false;
    for (const socket of this.#sockets) {
      if (state.handed.has(socket.key)) continue;
      const why = this.#hand(state, socket);
      if (why === undefined) fresh = true;
      else failures.set(socket.key, why);
    }
    if (state.sent === config.version && !fresh) return;
    const { clock, changed } = this.#parts;
    state.sent = config.version;
    state.sentAt = clock.now();
    child.send({ kind: "config", config });
    clock.wakeAt(after(state.sentAt, LONGEST_APPLY), () => {
      if (state.sent !== state.applied) changed();
    });
  }

  /** Why not, or undefined. */
  #hand(state: WorkerState, socket: SocketWanted): string | undefined {
    try {
      const fd = this.#parts.open(socket);
      state.child.hand(socket.key, fd);
      // Nothing of it stays here: with a copy of ours, the clients of a dead worker would wait in its backlog.
      this.#parts.close(fd);
      state.handed.add(socket.key);
      return undefined;
    } catch (error) {
      if (error instanceof Fault) return `${endpointText(socket.ip, socket.port)}: ${error.message}`;
      throw error;
    }
  }

  #moved(worker: number, to: Phase): void {
    const state = this.#workers[worker];
    // The constructor of a Supervised never moves; after it the state is there.
    if (state === undefined) throw new TypeError(`no worker ${worker}`);
    if (to === "backoff" || to === "stopped") {
      state.forget();
      this.#counters.ended(String(worker));
    }
    this.#changed();
  }

  #received(worker: number, message: FromDataplane): void {
    const state = this.#workers[worker];
    if (state === undefined) throw new TypeError(`no worker ${worker}`);
    switch (message.kind) {
      case "hello":
        state.engine = { engine: message.engine, why: message.why };
        this.#push();
        for (const [key, { healthy }] of this.#health)
          if (worker !== 0 || this.#predecessors.size > 0) relay(state, key, healthy);
        return this.#parts.changed();
      case "applied":
        state.applied = message.version;
        state.refused = undefined;
        state.listening = new Set(message.listening);
        return this.#changed();
      case "refused":
        state.refused = { version: message.version, why: message.why };
        return this.#parts.changed();
      case "health":
        return this.#judged(worker, message);
      case "stats":
        return this.#counters.update(String(worker), message.stats);
      case "hushed":
        return state.hushed();
      case "told":
      case "pong":
        return;
      default:
        unreachable(message);
    }
  }

  /** `by`: a worker, or the name of a predecessor. */
  #judged(by: number | string, { backend, endpoint, healthy, why }: Extract<FromDataplane, { kind: "health" }>): void {
    const key = endpointKey(backend, endpoint);
    const before = this.#health.get(key);
    const since = before?.healthy === healthy ? before.since : this.#parts.wall();
    this.#health.set(key, { healthy, why, since });
    this.#workers.forEach((state, other) => {
      if (other !== by) relay(state, key, healthy);
    });
    if (before?.healthy === healthy) return;
    this.#parts.events.emit("backend.judged", { backend, endpoint, healthy, why }, healthy ? "info" : "warn");
    this.#parts.changed();
  }
}

class WorkerState {
  readonly child: Worker;
  engine = { engine: "", why: "" };
  /** Versions of the configuration: last sent to, and last confirmed by this process. */
  sent: string | undefined;
  sentAt: Instant | undefined;
  applied: string | undefined;
  /** What this process could not put into force last. */
  refused: { readonly version: string; readonly why: string } | undefined;
  listening: ReadonlySet<string> = new Set();
  /** Listener keys whose socket this process was given. */
  readonly handed = new Set<string>();
  /** Somebody waits for its silence. */
  hushed: () => void = () => undefined;

  constructor(child: Worker) {
    this.child = child;
  }
  /** The process is gone, and all that it had. */
  forget(): void {
    this.sent = undefined;
    this.applied = undefined;
    this.refused = undefined;
    this.listening = new Set();
    this.handed.clear();
  }
}

function relay({ child }: WorkerState, key: string, healthy: boolean): void {
  const bar = key.indexOf("|");
  child.send({ kind: "health", backend: key.slice(0, bar), endpoint: key.slice(bar + 1), healthy });
}

const LONGEST_APPLY = seconds(2);
const UNCONFIRMED = "runs, and has not confirmed the configuration for two seconds";
/** A taken port is tried again at this pace. */
const RETRY = ms(1_000);
