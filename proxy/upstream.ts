/**
 * A connection to a server: sends one request at a time and walks through its response, which is forwarded where it
 * lies in the receive chunk.  Standards: RFC 9112 §6.3 (framing), §9.2 (responses in order), RFC 9110 §15.2 (interim).
 */
import type { Closed, Stream, StreamHandler } from "../netstack/kernel/loop.ts";
import type { TrafficClass } from "./classes.ts";
import type { Exchange } from "./exchange.ts";
import { ChunkedScanner } from "./http1/chunked.ts";
import { CHUNKED, NO_BODY, type ResponseHead, SIZED, UNTIL_CLOSE } from "./http1/head.ts";
import { INCOMPLETE } from "./http1/refusal.ts";
import { parseResponseHead } from "./http1/response.ts";
import type { Backend } from "./pool/backend.ts";
import type { Endpoint } from "./pool/endpoint.ts";
import { Pooled } from "./pool/idle.ts";
import type { Traffic } from "./traffic.ts";

export class Upstream extends Pooled implements StreamHandler {
  readonly stream: Stream;
  readonly endpoint: Endpoint;
  /** It has carried an exchange before: it may have died meanwhile. */
  reused = false;
  /** Octets of the request that the kernel had not taken when the connection ended. */
  unsent = 0;
  /** It failed for want of something on this host: no reason to avoid the server. */
  ours = false;
  /** Some of the response to the exchange under way has come. */
  heard = false;
  readonly #traffic: Traffic;
  readonly #backend: Backend;
  #exchange: Exchange | undefined;
  #state: State = CONNECTING;
  #carry: Buffer | undefined = undefined;
  #framing = 0;
  #remaining = 0;
  #scanner: ChunkedScanner | undefined = undefined;
  #bodyDone = false;
  #reusable = false;
  #paused = false;
  #suspected = false;

  /** Opens a connection of the class `of` to `endpoint`, whose `active` counts it already. */
  constructor(
    traffic: Traffic,
    backend: Backend,
    endpoint: Endpoint,
    of: TrafficClass | undefined,
    exchange: Exchange,
  ) {
    super(of);
    this.#traffic = traffic;
    this.#backend = backend;
    this.endpoint = endpoint;
    this.#exchange = exchange;
    const begun = of === undefined ? undefined : { handshake: of.token << DSCP_SHIFT };
    this.stream = traffic.loop.connect(endpoint.address, this, begun);
  }

  /** A kept connection, just taken from the pool, serves `exchange`. */
  start(exchange: Exchange): void {
    this.#traffic.wheel.disarm(this);
    this.#exchange = exchange;
    this.reused = true;
    this.heard = false;
    this.#state = HEAD;
  }

  opened(): void {
    if (this.#state !== CONNECTING) return;
    this.#state = HEAD;
    this.#exchange?.connected();
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    const { loop } = this.#traffic;
    if (this.#state === BODY) this.#body(loop.pool.memory, chunk, start, end);
    else if (this.#state === HEAD) this.#head(loop.pool.memory, chunk, start, end);
    else {
      loop.release(chunk);
      // Nobody asked: what a server says between exchanges (408, or junk) must never become an answer.
      if (this.#state === IDLE) this.abandon();
    }
  }

  ended(): void {
    if (this.#state === BODY && this.#framing === UNTIL_CLOSE) this.#complete();
    else this.#lost();
  }
  closed(_stream: Stream, why: Closed): void {
    this.ours = why.kind === "failed" && OURS.has(why.errno);
    this.#lost();
  }
  drained(): void {
    this.#exchange?.upstreamDrained();
  }
  /** Idle for too long. */
  expired(): void {
    if (this.#state === IDLE) this.abandon();
  }
  retire(): void {
    this.#gone();
    this.stream.close();
  }

  /** Drops the connection, whatever it carries. */
  abandon(): void {
    if (this.#state === GONE) return;
    this.#leave();
    this.stream.abort();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.stream.resume();
  }
  look(): void {
    this.#suspected = false;
    if (this.#paused || this.#exchange?.clientQueued !== true) return;
    this.#paused = true;
    this.stream.pause();
  }

  /** The exchange is over: keeps the connection when it can serve another. */
  release(): void {
    const { wheel, draining } = this.#traffic;
    this.#exchange = undefined;
    if (!this.#reusable || this.endpoint.gone || this.class?.gone === true || draining) {
      this.#leave();
      this.stream.close();
      return;
    }
    this.resume();
    this.#state = IDLE;
    this.endpoint.put(this, wheel.tick);
    wheel.arm(this, this.#backend.keepTicks);
    this.#backend.freed();
  }

  #head(memory: Buffer, chunk: number, start: number, end: number): void {
    const exchange = this.#exchange as Exchange;
    this.heard = true;
    let from = start;
    if (this.#carry !== undefined) {
      // Parsed where both parts lie together; the chunk is not needed any more.
      const whole = Buffer.concat([this.#carry, memory.subarray(start, end)]);
      this.#carry = undefined;
      this.#traffic.loop.release(chunk);
      this.#head(whole, -1, 0, whole.length);
      return;
    }
    const { responseHead } = this.#traffic;
    for (;;) {
      const at = parseResponseHead(responseHead, memory, from, end, exchange.method);
      if (at >= 0 && !responseHead.interim) {
        this.#final(responseHead, memory, chunk, at, end);
        return;
      }
      if (at < 0) {
        if (at === INCOMPLETE) {
          if (from < end) this.#carry = Buffer.from(memory.subarray(from, end));
          exchange.progressed();
        } else this.#broken();
        break;
      }
      exchange.interim(responseHead);
      from = at;
    }
    if (chunk >= 0) this.#traffic.loop.release(chunk);
  }

  #final(head: ResponseHead, memory: Buffer, chunk: number, at: number, end: number): void {
    const exchange = this.#exchange as Exchange;
    this.#framing = head.framing;
    this.#remaining = head.framing === SIZED ? head.contentLength : 0;
    const unchunk = head.framing === CHUNKED && exchange.minor === 0;
    if (head.framing === CHUNKED) (this.#scanner ??= new ChunkedScanner()).reset();
    const stop = unchunk ? at : this.#scan(memory, at, end);
    if (stop < 0) {
      if (chunk >= 0) this.#traffic.loop.release(chunk);
      this.#broken();
      return;
    }
    this.#reusable = head.keepAlive && head.framing !== UNTIL_CLOSE && (unchunk || stop === end);
    this.#state = BODY;
    if (unchunk) {
      exchange.respond(head, memory, -1, at, at);
      if (this.#state === BODY) this.#unchunk(memory, at, end);
      if (chunk >= 0) this.#traffic.loop.release(chunk);
    } else exchange.respond(head, memory, chunk, at, stop);
    this.#after(exchange);
  }

  #body(memory: Buffer, chunk: number, start: number, end: number): void {
    const exchange = this.#exchange as Exchange;
    if (this.#framing === CHUNKED && exchange.minor === 0) {
      this.#unchunk(memory, start, end);
      this.#traffic.loop.release(chunk);
    } else {
      const stop = this.#scan(memory, start, end);
      if (stop < 0) {
        this.#traffic.loop.release(chunk);
        this.#broken();
        return;
      }
      if (stop < end) this.#reusable = false;
      exchange.relay(chunk, start, stop);
    }
    this.#after(exchange);
  }

  #after(exchange: Exchange): void {
    if (this.#state !== BODY) return;
    if (this.#bodyDone) this.#complete();
    else if (exchange.clientQueued && !this.#suspected) {
      this.#suspected = true;
      this.#traffic.lookSoon(this);
    }
  }

  /** An HTTP/1.0 client does not know chunks: RFC 9112 §7.1 */
  #unchunk(memory: Buffer, start: number, end: number): void {
    const scanner = this.#scanner as ChunkedScanner;
    for (let at = start; at < end && !scanner.done; ) {
      at = scanner.next(memory, at, end);
      if (at < 0) {
        this.#broken();
        return;
      }
      (this.#exchange as Exchange).write(memory, scanner.dataStart, scanner.dataEnd);
    }
    this.#bodyDone = scanner.done;
  }

  #scan(memory: Uint8Array, start: number, end: number): number {
    switch (this.#framing) {
      case SIZED: {
        const take = Math.min(this.#remaining, end - start);
        this.#remaining -= take;
        this.#bodyDone = this.#remaining === 0;
        return start + take;
      }
      case CHUNKED: {
        const scanner = this.#scanner as ChunkedScanner;
        const stop = scanner.scan(memory, start, end);
        this.#bodyDone = scanner.done;
        return stop;
      }
      case NO_BODY:
        this.#bodyDone = true;
        return start;
      default:
        this.#bodyDone = false;
        return end;
    }
  }

  #complete(): void {
    (this.#exchange as Exchange).complete();
  }

  /** The response is not HTTP. */
  #broken(): void {
    const exchange = this.#exchange;
    this.#leave();
    this.stream.abort();
    exchange?.failed("bad-response");
  }

  /** The connection ended; whatever was under way on it has failed. */
  #lost(): void {
    if (this.#state === GONE) return;
    const exchange = this.#exchange;
    const connecting = this.#state === CONNECTING;
    this.unsent = this.stream.queued;
    this.#leave();
    // What still waits to be sent may be sent again elsewhere: never here as well.
    this.stream.abort();
    exchange?.failed(connecting ? "connect-failed" : "reset");
  }

  /** Out of the pool's books. */
  #leave(): void {
    if (this.pooled) this.endpoint.remove(this);
    else this.endpoint.active--;
    this.#gone();
    this.#backend.freed();
  }
  #gone(): void {
    this.#state = GONE;
    this.#exchange = undefined;
    this.#carry = undefined;
    this.#traffic.wheel.remove(this);
  }
}

type State = typeof CONNECTING | typeof IDLE | typeof HEAD | typeof BODY | typeof GONE;
const CONNECTING = 0;
const IDLE = 1;
/** Of the response that is awaited. */
const HEAD = 2;
const BODY = 3;
const GONE = 4;
/** The field's place in the octet of which the lower two bits are ECN's. RFC 2474 §3 */
const DSCP_SHIFT = 2;
/** errno(3): ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL (no port is free), ENOBUFS */
const OURS: ReadonlySet<number> = new Set([12, 23, 24, 99, 105]);
