/**
 * One data-plane process without its process: messages of control in, findings out, time, reload and drain.  main.ts
 * gives it the real loop and channel, tests a fake one.
 */
import type { Log } from "../base/log.ts";
import { unreachable } from "../base/result.ts";
import { after, type Instant, instant, ms } from "../base/unit.ts";
import type { Fd, Loop } from "../netstack/kernel/loop.ts";
import { AccessLog, type Sink } from "./access-log.ts";
import type { ProxyConfig } from "./config.ts";
import type { FromDataplane, ToDataplane } from "./control.ts";
import { Checker, type Target } from "./health/checker.ts";
import { latin1 } from "./http1/octets.ts";
import { addressOf, endpointKey, Plane } from "./plane.ts";
import { Traffic } from "./traffic.ts";
import { TICK } from "./wheel.ts";

export interface WorkerParts {
  readonly loop: Loop;
  readonly log: Log;
  /** Only worker 0 checks health; the others are told. */
  readonly index: number;
  readonly pid: number;
  /** Descriptors that this process may have. */
  readonly descriptors: number;
  readonly send: (message: FromDataplane) => void;
  readonly sink: Sink;
  readonly close: (fd: Fd) => void;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** Uniform in [0, 1). */
  readonly chance: () => number;
  /** 12 random octets. */
  readonly seed: Uint8Array;
  /** All is finished: the process may end. */
  readonly finished: () => void;
}

export class Worker {
  readonly traffic: Traffic;
  readonly plane: Plane;
  readonly #parts: WorkerParts;
  readonly #access: AccessLog;
  readonly #checker: Checker;
  #graceUntil: Instant | undefined = undefined;
  #quiet = QUIET;
  #ticks = 0;
  /** The timer of the next tick, or of the one with which a rest ends. */
  #alarm: Disposable | undefined = undefined;
  /** Since when, and for how many ticks, nothing has been due. */
  #rest: { readonly from: Instant; readonly ticks: number } | undefined = undefined;
  /** Tick from which no connection means that none will come. */
  #hushAt: number | undefined = undefined;
  #sentStats = "";
  #reportedDrops = 0;
  #over = false;
  /** Of the configuration in force. */
  #version: string | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#access = new AccessLog(parts.sink, parts.wallClock, parts.chance);
    this.traffic = new Traffic(parts.loop, this.#access, parts.seed, () => this.#roused());
    // One for the client, one for the server; the rest for listeners and ourselves.
    this.traffic.maxConnections = Math.max(1, Math.floor(parts.descriptors / 2) - OWN_DESCRIPTORS);
    this.plane = new Plane(this.traffic, parts.close, () => this.#finishWhenEmpty());
    this.#checker = new Checker(
      this.traffic,
      (target, healthy, why) => this.#found(target, healthy, why),
      parts.chance,
    );
    this.#setDate();
  }

  start(): void {
    this.#wake(this.#parts.loop.now(), 1);
    this.greet();
  }
  greet(): void {
    const { loop, pid, send } = this.#parts;
    send({ kind: "hello", pid, engine: loop.engine, why: loop.why });
  }

  message(message: ToDataplane): void {
    switch (message.kind) {
      case "config":
        return this.#apply(message.config);
      case "drain":
        return this.drain(message.grace);
      case "hush":
        return this.#hush();
      case "ping":
        return this.#parts.send({ kind: "pong", n: message.n });
      case "health":
        return this.plane.judge(message.backend, message.endpoint, message.healthy);
      default:
        return unreachable(message);
    }
  }

  /** Finishes: no new connection, every answer says close, quiet connections are closed; ends when empty or after `grace`. */
  drain(grace: number): void {
    const { loop, log, send } = this.#parts;
    const until = after(loop.now(), ms(Math.max(0, grace)));
    if (this.#graceUntil !== undefined && this.#graceUntil <= until) return;
    if (this.#graceUntil === undefined) log.info("dataplane.draining", { connections: this.plane.connections, grace });
    this.#graceUntil = until;
    this.#roused();
    // A connection that was quiet for that long is not expected to speak in the moment in which it is closed.
    this.#quiet = Math.min(QUIET, Math.floor(grace / TICK / 2));
    this.traffic.draining = true;
    this.plane.stop();
    if (this.#version !== undefined) send({ kind: "applied", version: this.#version, listening: [] });
    this.#checker.watch([]);
    this.#finishWhenEmpty();
  }

  #hush(): void {
    if (this.traffic.draining || this.#hushAt !== undefined) return;
    this.#parts.log.info("dataplane.hushed", { connections: this.plane.connections });
    // Calls that the kernel has answered already are accepted and served before anybody is told that all is quiet.
    this.#roused();
    this.#hushAt = this.#ticks + SETTLING;
    this.#quiet = SETTLING;
    this.plane.hush();
  }
  #tellWhenHushed(): void {
    if (this.#hushAt === undefined || this.#ticks < this.#hushAt || this.plane.connections > 0) return;
    this.#hushAt = Number.POSITIVE_INFINITY;
    this.#parts.send({ kind: "hushed" });
  }

  #apply(config: ProxyConfig): void {
    const { log, send } = this.#parts;
    if (this.traffic.draining || this.#hushAt !== undefined) return;
    const applied = this.plane.apply(config);
    if (!applied.ok) {
      log.error("dataplane.config-refused", { version: config.version, why: applied.error });
      return send({ kind: "refused", version: config.version, why: wordsOf(applied.error) });
    }
    const { listening, missing } = applied.value;
    this.#version = config.version;
    if (missing.length > 0) log.error("dataplane.socket-missing", { keys: missing.join(" ") });
    send({ kind: "applied", version: config.version, listening });
    this.#tellUnchecked(config);
    if (this.#parts.index === 0) this.#checker.watch(targetsOf(config));
  }

  /** Endpoints without a check count as healthy. */
  #tellUnchecked({ backends }: ProxyConfig): void {
    if (this.#parts.index !== 0) return;
    for (const backend of backends) {
      if (backend.healthCheck !== undefined) continue;
      for (const each of backend.endpoints) {
        const endpoint = endpointKey(each);
        this.#parts.send({ kind: "health", backend: backend.name, endpoint, healthy: true, why: "not checked" });
      }
    }
  }

  #found({ backend, endpoint }: Target, healthy: boolean, why: string): void {
    this.plane.judge(backend, endpoint, healthy);
    this.#parts.log.info("health.turned", { backend, endpoint, healthy, why });
    this.#parts.send({ kind: "health", backend, endpoint, healthy, why });
  }

  /** One tick of the wheel, ten a second, however late the turn is; one wake-up a second where nothing goes on. */
  #wake(due: Instant, ticks: number): void {
    if (this.#over) return;
    const { loop } = this.#parts;
    const span = ms(TICK * ticks);
    const next = after(due, span);
    // After a freeze time goes on from now: no burst of ticks, nothing times out for having been frozen.
    const at = next < loop.now() ? after(loop.now(), span) : next;
    this.#rest = ticks === 1 ? undefined : { from: instant(at - span), ticks };
    this.#alarm = loop.wakeAt(at, () => {
      this.#skip(ticks - 1);
      this.#tick();
      this.#wake(at, this.#mayRest() ? TICKS_A_SECOND - (this.#ticks % TICKS_A_SECOND) : 1);
    });
  }
  #mayRest(): boolean {
    const isLeaving = this.#graceUntil !== undefined || this.#hushAt !== undefined;
    return this.traffic.wheel.empty && this.#access.empty && !isLeaving;
  }
  #skip(ticks: number): void {
    this.#ticks += ticks;
    this.traffic.wheel.skip(ticks);
  }
  /** Somebody has come, or all shall go: from here on each tick counts, from where the clock stands. */
  #roused(): void {
    const { loop } = this.#parts;
    if (this.#rest === undefined) return;
    const { from, ticks } = this.#rest;
    const passed = Math.max(0, Math.min(ticks - 1, Math.floor((loop.now() - from) / TICK)));
    this.#alarm?.[Symbol.dispose]();
    this.#skip(passed);
    this.#wake(after(from, ms(TICK * passed)), 1);
  }

  #tick(): void {
    const { traffic, plane } = this;
    const { loop } = this.#parts;
    traffic.wheel.advance();
    this.#access.flush();
    plane.retireQuiet(this.#quiet);
    if (++this.#ticks % TICKS_A_SECOND === 0) this.#second();
    this.#tellWhenHushed();
    if (this.#graceUntil !== undefined) {
      if (loop.now() >= this.#graceUntil) this.#finish();
      else this.#finishWhenEmpty();
    }
  }

  #second(): void {
    this.#setDate();
    this.plane.trim();
    if (this.#access.dropped !== this.#reportedDrops) {
      this.#parts.log.warn("access-log.dropped", { lines: this.#access.dropped - this.#reportedDrops });
      this.#reportedDrops = this.#access.dropped;
    }
    this.#sendStats();
  }
  #setDate(): void {
    this.traffic.date = latin1(`Date: ${new Date(this.#parts.wallClock()).toUTCString()}\r\n`);
  }
  #sendStats(): void {
    const stats = this.traffic.stats.snapshot(this.plane.pools());
    const text = JSON.stringify(stats);
    if (text === this.#sentStats) return;
    this.#sentStats = text;
    this.#parts.send({ kind: "stats", stats });
  }

  #finishWhenEmpty(): void {
    if (this.#graceUntil !== undefined && this.plane.connections === 0) this.#finish();
  }
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.plane.connections > 0) this.#parts.log.warn("dataplane.cut", { connections: this.plane.connections });
    this.plane.abort();
    this.#access.flush();
    this.#sendStats();
    this.#parts.log.info("dataplane.finished");
    this.#parts.finished();
  }
}

function targetsOf({ backends }: ProxyConfig): Target[] {
  return backends.flatMap(({ name, endpoints, healthCheck }) =>
    healthCheck === undefined
      ? []
      : endpoints.map((each) => ({
          backend: name,
          endpoint: endpointKey(each),
          address: addressOf(each),
          config: healthCheck,
        })),
  );
}

/** "listener default/web/http@…, kind pattern, …" */
function wordsOf(error: object): string {
  const parts = Object.entries(error).map(([key, value]) => `${key} ${String(value)}`);
  return parts.join(", ").slice(0, LONGEST_WHY);
}

/** A connection without a request for that long is closed in a drain. */
const QUIET = 10; // ticks
/** Longer than a handshake takes. */
const SETTLING = 3; // ticks
const TICKS_A_SECOND = 10;
const OWN_DESCRIPTORS = 64;
/** Control takes no longer texts. */
const LONGEST_WHY = 1000;
