/**
 * A client's connection: heads and bodies of requests in their order, one exchange at a time (pipelined requests wait
 * in `carry`), keep-alive, and the end of the connection.  Standards: RFC 9112 §2.2, §6.3, §9.3 (persistence, pipelining),
 * §9.6 (closing without losing the last response).
 */
import { formatIp } from "../base/address.ts";
import { seconds } from "../base/unit.ts";
import type { Stream, StreamHandler } from "../netstack/kernel/loop.ts";
import { Exchange } from "./exchange.ts";
import { Farewell, needsFarewell } from "./farewell.ts";
import { ChunkedScanner } from "./http1/chunked.ts";
import { CHUNKED, NO_BODY, type RequestHead, SIZED } from "./http1/head.ts";
import { latin1 } from "./http1/octets.ts";
import { INCOMPLETE, refusal, refusalOf } from "./http1/refusal.ts";
import { parseRequestHead } from "./http1/request.ts";
import type { Listener } from "./listener.ts";
import type { Traffic } from "./traffic.ts";
import { type Ticks, Timed, ticksOf } from "./wheel.ts";

export class Downstream extends Timed implements StreamHandler {
  readonly listener: Listener;
  readonly stream: Stream;
  readonly client: Uint8Array;
  /** The last octet of the request's body has come. */
  bodyDone = true;
  readonly #traffic: Traffic;
  readonly #exchange: Exchange;
  #state: State = HEAD;
  /** Octets [carryStart, carryEnd) that came too early: a part of a head, or the next request. */
  #carry: Buffer | undefined = undefined;
  #carryStart = 0;
  #carryEnd = 0;
  #paused = false;
  #suspected = false;
  #pumping = false;
  /** A part of a head has come, and its time runs. */
  #heading = false;
  /** The client sent FIN. */
  #ended = false;
  #sized = true;
  #remaining = 0;
  /** What Content-Length said; 0 without a body. */
  #length = 0;
  #most = Number.POSITIVE_INFINITY;
  #scanner: ChunkedScanner | undefined = undefined;
  #discarded = 0;
  /** Octets queued when the end of the connection was last looked at. */
  #unsent = 0;
  #farewell: Farewell | undefined = undefined;

  constructor(traffic: Traffic, listener: Listener, stream: Stream) {
    super();
    this.#traffic = traffic;
    this.listener = listener;
    this.stream = stream;
    const { remote } = stream;
    this.client = latin1(remote === undefined ? "unknown" : formatIp(remote.ip));
    this.#exchange = new Exchange(traffic, this);
    traffic.wheel.arm(this, IDLE_TICKS);
  }

  /** No request is under way, not even a part of one, for at least `ticks`. */
  quietFor(ticks: Ticks): boolean {
    return this.#state === HEAD && this.#carryEnd === 0 && this.due - this.#traffic.wheel.tick <= IDLE_TICKS - ticks;
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    const { loop } = this.#traffic;
    const { memory } = loop.pool;
    if (this.#state === HEAD && this.#carryEnd === 0) this.#first(memory, chunk, start, end);
    else if (this.#state === BODY || this.#state === DISCARD) this.#body(memory, chunk, start, end);
    else if (this.#state === HEAD) {
      const from = this.#carryEnd;
      this.#keep(memory, start, end);
      loop.release(chunk);
      // A head that comes in drops is parsed once per line, not once per drop: its cost stays linear.
      const line = (this.#carry as Buffer).indexOf(LF, from);
      if (
        (line >= 0 && line < this.#carryEnd) ||
        this.#carryEnd - this.#carryStart > this.#traffic.requestHead.limits.head
      )
        this.#pump();
    } else {
      if (this.#state === BUSY) {
        this.#keep(memory, start, end);
        this.flow();
      }
      loop.release(chunk);
    }
  }

  ended(stream: Stream): void {
    this.#ended = true;
    if (this.#state === BUSY) return; // a half-closed client still reads its answer
    if (this.#state === BODY) this.#exchange.clientGone();
    this.#close(stream);
  }
  drained(): void {
    this.#exchange.clientDrained();
  }
  closed(): void {
    this.#state = CLOSED;
    this.#exchange.clientGone();
    this.#traffic.wheel.remove(this);
    if (this.#farewell !== undefined) this.#traffic.wheel.remove(this.#farewell);
    this.#carry = undefined;
    this.listener.left(this);
  }
  expired(): void {
    const { stream } = this;
    if (this.#state === HEAD && this.#carryEnd > 0) this.#refuse(HEAD_TIMEOUT);
    else if (this.#state < LINGER) this.#close(stream);
    else if (stream.queued < this.#unsent) this.#awaitSent();
    else if (this.#state === LINGER && stream.queued === 0) this.#close(stream);
    else {
      // It does not take its last answer.
      this.#state = CLOSED;
      stream.abort();
    }
  }

  /** Reads or stops reading, as the state asks. */
  flow(): void {
    const stop = this.#state === BUSY ? this.#carryEnd > 0 : this.#state === BODY && this.#exchange.unready;
    if (!stop && this.#state === BODY && this.#exchange.serverQueued) {
      if (this.#suspected) return;
      this.#suspected = true;
      this.#traffic.lookSoon(this);
    } else this.#pause(stop);
  }
  look(): void {
    this.#suspected = false;
    if (this.#state === BODY && this.#exchange.serverQueued) this.#pause(true);
    else this.flow();
  }
  #pause(stop: boolean): void {
    if (stop === this.#paused || this.#state === CLOSED) return;
    this.#paused = stop;
    if (stop) this.stream.pause();
    else this.stream.resume();
  }

  /** The response is on its way completely; `close`: it said so; `last`: so did the client, which sends nothing more. */
  answered(close: boolean, last: boolean): void {
    if (this.#state === CLOSED) return;
    if (close) {
      if (last && this.bodyDone) this.#close(this.stream);
      else this.#linger();
    } else if (!this.bodyDone) {
      this.#state = DISCARD;
      this.#discarded = 0;
      this.#traffic.wheel.arm(this, LINGER_TICKS);
      this.flow();
    } else this.#next();
  }
  /** The response was cut off; unless it is `delimited` a FIN would look like its end. */
  cut(delimited: boolean): void {
    if (delimited) this.#close(this.stream);
    else {
      this.#state = CLOSED;
      this.stream.abort();
    }
  }
  /** Closes an idle connection. */
  retire(): void {
    this.#close(this.stream);
  }

  /** The usual case: nothing came before, so the head is parsed where it lies. */
  #first(memory: Buffer, chunk: number, start: number, end: number): void {
    const { requestHead, wheel, loop } = this.#traffic;
    const at = parseRequestHead(requestHead, memory, start, end);
    if (at >= 0) {
      wheel.disarm(this);
      this.#begin(requestHead, memory, chunk, at, end);
      return;
    }
    if (at === INCOMPLETE) {
      this.#keep(memory, start, end);
      this.#awaitHead();
    } else this.#refuse(at);
    loop.release(chunk);
  }

  /** A complete head, and what follows it at [at, end): in `chunk`, or in the carry when `chunk` is -1. */
  #begin(head: RequestHead, memory: Buffer, chunk: number, at: number, end: number): void {
    this.#heading = false;
    if (head.framing === NO_BODY) {
      this.bodyDone = true;
      this.#sized = true;
      this.#length = 0;
      this.#state = BUSY;
      this.#exchange.begin(head);
      this.#rest(memory, chunk, at, end);
      return;
    }
    this.#most = this.listener.site.maxBody;
    this.bodyDone = false;
    this.#sized = head.framing === SIZED;
    if (head.framing === CHUNKED) (this.#scanner ??= new ChunkedScanner()).reset();
    else this.#remaining = this.#length = head.contentLength;
    // What is here of the body is checked before anything of the request goes anywhere.
    const stop = this.#scan(memory, at, end);
    if (stop < 0) {
      this.#refuse(stop);
      if (chunk >= 0) this.#traffic.loop.release(chunk);
      return;
    }
    this.#state = BODY;
    this.#exchange.begin(head);
    this.#pass(memory, chunk, at, stop, end);
  }
  /** Limits the body under way; the rule may be stricter than the listener. */
  limitBody(most: number): void {
    if (most < this.#most) this.#most = most;
  }
  /** Octets of content that are known to come or have come. */
  get bodyTooLarge(): boolean {
    if (this.#sized) return this.#length > this.#most;
    return (this.#scanner as ChunkedScanner).octets > this.#most;
  }

  #body(memory: Buffer, chunk: number, start: number, end: number): void {
    const stop = this.#scan(memory, start, end);
    if (stop >= 0) {
      this.#pass(memory, chunk, start, stop, end);
      return;
    }
    if (this.#state === DISCARD) this.#close(this.stream);
    else this.#exchange.bodyRefused(stop);
    if (chunk >= 0) this.#traffic.loop.release(chunk);
  }

  /** Body octets [start, stop), then [stop, end) of the next request. */
  #pass(memory: Buffer, chunk: number, start: number, stop: number, end: number): void {
    if (this.#state === BODY) {
      if (stop < end && chunk >= 0) this.#keep(memory, stop, end);
      else if (chunk < 0) this.#carryStart = stop;
      if (this.bodyDone) this.#state = BUSY;
      this.#exchange.body(memory, chunk, start, stop);
      this.flow();
      return;
    }
    if (this.#state === DISCARD) {
      this.#discarded += stop - start;
      if (this.bodyDone) this.#next();
      else if (this.#discarded > MOST_DISCARDED) this.#linger();
    }
    this.#rest(memory, chunk, stop, end);
  }

  /** What follows a request: kept until its turn. */
  #rest(memory: Buffer, chunk: number, at: number, end: number): void {
    if (chunk < 0) {
      this.#carryStart = at;
      return;
    }
    const open = this.#state === BUSY || this.#state === HEAD;
    if (at < end && open) {
      this.#keep(memory, at, end);
      this.flow();
    }
    this.#traffic.loop.release(chunk);
    if (this.#carryEnd > 0) this.#pump();
  }

  /** The next request of this connection may be here already. */
  #next(): void {
    if (this.#ended && this.#carryEnd === 0) {
      this.#close(this.stream);
      return;
    }
    this.#state = HEAD;
    this.bodyDone = true;
    this.#traffic.wheel.arm(this, IDLE_TICKS);
    if (this.#carryEnd > 0) this.#pump();
    else this.flow();
  }
  /** Takes requests out of the carry while they are complete and it is their turn. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const { requestHead, wheel } = this.#traffic;
    while (this.#carryStart < this.#carryEnd && this.#state <= DISCARD) {
      const carry = this.#carry as Buffer;
      if (this.#state !== HEAD) {
        this.#body(carry, -1, this.#carryStart, this.#carryEnd);
        continue;
      }
      const at = parseRequestHead(requestHead, carry, this.#carryStart, this.#carryEnd);
      if (at === INCOMPLETE) {
        this.#awaitHead();
        break;
      }
      if (at < 0) this.#refuse(at);
      else {
        wheel.disarm(this);
        this.#begin(requestHead, carry, -1, at, this.#carryEnd);
      }
    }
    if (this.#carryStart === this.#carryEnd) {
      this.#carryStart = this.#carryEnd = 0;
      if (this.#carry !== undefined && this.#carry.length > CARRY) this.#carry = undefined;
    }
    this.#pumping = false;
    this.flow();
    if (this.#ended && this.#state === HEAD) this.#close(this.stream);
  }

  /** The time for a head runs from its first octet; more of them do not prolong it. */
  #awaitHead(): void {
    if (this.#heading) return;
    this.#heading = true;
    this.#traffic.wheel.arm(this, HEAD_TICKS);
  }

  /** The offset after the body, or `end` while it goes on, or a refusal. */
  #scan(memory: Uint8Array, start: number, end: number): number {
    if (this.#sized) {
      const take = Math.min(this.#remaining, end - start);
      this.#remaining -= take;
      this.bodyDone = this.#remaining === 0;
      return start + take;
    }
    const scanner = this.#scanner as ChunkedScanner;
    const stop = scanner.scan(memory, start, end);
    this.bodyDone = scanner.done;
    return stop >= 0 && scanner.octets > this.#most ? TOO_LARGE : stop;
  }

  #keep(memory: Buffer, start: number, end: number): void {
    const length = end - start;
    let carry = this.#carry;
    if (carry === undefined || this.#carryEnd + length > carry.length) {
      const held = this.#carryEnd - this.#carryStart;
      const grown = Buffer.allocUnsafeSlow(Math.max(CARRY, 2 ** Math.ceil(Math.log2(held + length))));
      carry?.copy(grown, 0, this.#carryStart, this.#carryEnd);
      carry = this.#carry = grown;
      this.#carryStart = 0;
      this.#carryEnd = held;
    }
    memory.copy(carry, this.#carryEnd, start, end);
    this.#carryEnd += length;
  }

  /** The request is not one: says so and closes, because where the next one starts is unknown. */
  #refuse(code: number): void {
    const { name, status } = refusalOf(code);
    this.#traffic.stats.refuse(name);
    this.#exchange.refused(status);
  }

  /** FIN first, and the rest of what the client sends is read: a reset would destroy the answer on its way. */
  #linger(): void {
    this.#state = LINGER;
    this.#carryStart = this.#carryEnd = 0;
    this.stream.end();
    this.#awaitSent();
    this.flow();
  }

  #close(stream: Stream): void {
    if (this.#state === CLOSED) return;
    const { wheel, draining } = this.#traffic;
    const said = this.#ended || this.#state === LINGER;
    this.#state = CLOSED;
    wheel.disarm(this);
    if (needsFarewell(stream, draining)) this.#farewell = new Farewell(wheel, stream, said);
    else stream.close();
  }

  /** The end of the connection waits for what is queued, as long as that gets less. */
  #awaitSent(): void {
    this.#unsent = this.stream.queued;
    this.#traffic.wheel.arm(this, this.#unsent > 0 ? UNSENT_TICKS : LINGER_TICKS);
  }
}

type State = typeof HEAD | typeof BODY | typeof DISCARD | typeof BUSY | typeof LINGER | typeof CLOSED;
/** Between requests, or in the middle of a head. */
const HEAD = 0;
const BODY = 1;
/** The answer is sent, the rest of the request's body is thrown away. */
const DISCARD = 2;
/** The request is complete, its response is not. */
const BUSY = 3;
/** Our FIN is sent. */
const LINGER = 4;
const CLOSED = 5;

const HEAD_TICKS = ticksOf(seconds(10));
const IDLE_TICKS = ticksOf(seconds(75));
const LINGER_TICKS = ticksOf(seconds(5));
const UNSENT_TICKS = ticksOf(seconds(30));
const MOST_DISCARDED = 1_048_576;
const CARRY = 4_096;
const LF = 10;
const HEAD_TIMEOUT = refusal("head-timeout");
const TOO_LARGE = refusal("body-too-large");
