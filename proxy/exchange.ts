/**
 * One request and its response: rule, backend, connection, retry, deadlines, accounting.  Each client connection owns
 * one and uses it again.  Standards: RFC 9110 §9.2.2 (what may be repeated), §10.1.1 (100-continue), §15.2 (interim).
 */
import { type Answer, answerFor, writeAnswer } from "./answers.ts";
import { type Belonging, classAt } from "./classes.ts";
import type { Downstream } from "./downstream.ts";
import { NO_EDITS } from "./http1/edits.ts";
import type { RequestHead, ResponseHead } from "./http1/head.ts";
import { CONNECT, DELETE, GET, HEAD, OPTIONS, PUT, TRACE } from "./http1/method.ts";
import { refusalOf } from "./http1/refusal.ts";
import { stripResponseHead } from "./http1/strip-response.ts";
import { mustClose } from "./http1/write-response.ts";
import type { Backend, Waiter } from "./pool/backend.ts";
import type { Endpoint } from "./pool/endpoint.ts";
import { Record } from "./record.ts";
import { RequestStore } from "./request-store.ts";
import type { Rule } from "./rule.ts";
import type { UpstreamResult } from "./stats.ts";
import { HIGH_WATER, type Traffic } from "./traffic.ts";
import { Upstream } from "./upstream.ts";
import { type Ticks, Timed } from "./wheel.ts";

export class Exchange extends Timed implements Waiter {
  ahead: Waiter | undefined = undefined;
  after: Waiter | undefined = undefined;
  waiting = false;
  /** Of the request: http1/method.ts, and HTTP/1.`minor`. */
  method = 0;
  minor = 1;
  readonly #traffic: Traffic;
  readonly #down: Downstream;
  #phase: Phase = NONE;
  #rule: Rule | undefined = undefined;
  #backend: Backend | undefined = undefined;
  #endpoint: Endpoint | undefined = undefined;
  #upstream: Upstream | undefined = undefined;
  /** Traffic classes that the request belongs to; undefined: none. */
  #belongings: readonly Belonging[] | undefined = undefined;
  readonly #request: RequestStore;
  readonly #record: Record;
  #bodySent = false;
  #attempts = 0;
  #expects = false;
  #close = false;
  /** The client asked for the connection to be closed: it sends nothing more. */
  #asked = false;
  /** The tick at which the rule's timeout ends the exchange; 0 = never. */
  #deadline: Ticks = 0;
  #status = 0;
  /** The end of the response under way is not told by the end of the connection. */
  #delimited = true;

  constructor(traffic: Traffic, down: Downstream) {
    super();
    this.#traffic = traffic;
    this.#down = down;
    this.#request = new RequestStore(traffic);
    this.#record = new Record(traffic);
  }

  /** There is no connection yet that could take the request's body. */
  get unready(): boolean {
    return this.#phase < SENT && this.#phase !== NONE;
  }
  /** The server does not keep up. */
  get serverQueued(): boolean {
    const upstream = this.#upstream;
    return upstream !== undefined && upstream.stream.queued > HIGH_WATER;
  }
  /** The client does not keep up. */
  get clientQueued(): boolean {
    return this.#down.stream.queued > HIGH_WATER;
  }

  /** Everything that the head says is used before this returns: the next head is parsed into the same place. */
  begin(head: RequestHead): void {
    const traffic = this.#traffic;
    const down = this.#down;
    const { site } = down.listener;
    this.method = head.method;
    this.minor = head.minor;
    this.#phase = CHOOSING;
    this.#asked = !head.keepAlive;
    this.#close = this.#asked || traffic.draining || down.listener.closing;
    this.#expects = head.expectsContinue;
    this.#bodySent = false;
    this.#attempts = 0;
    this.#deadline = 0;
    traffic.requestForward.requestId = traffic.ids.next();
    this.#record.begin(head, down);
    if (head.method === TRACE || head.method === CONNECT) return this.#answer(answerFor(405));
    const rule = site.route(head);
    this.#rule = rule;
    if (rule === undefined) return this.#answer(answerFor(404));
    down.limitBody(rule.maxBody);
    if (down.bodyTooLarge) return this.#tooLarge();
    if (rule.redirect !== undefined) return this.#answer(rule.redirect);
    const backend = rule.backend();
    this.#backend = backend;
    if (backend === undefined) return this.#answer(answerFor(503));
    this.#belongings = traffic.classes?.matching(head, down.stream.remote?.ip);
    if (rule.timeout > 0) this.#deadline = traffic.wheel.tick + rule.timeout;
    if (this.#request.render(head, rule, down.client, backend)) this.#acquire(undefined);
    else this.#answer(answerFor(431));
  }

  /** Body octets [start, end) of `memory`; of `chunk`, which is taken, unless that is -1. */
  body(memory: Buffer, chunk: number, start: number, end: number): void {
    const upstream = this.#upstream;
    if (this.#phase < SENT) {
      if (end > start) {
        this.#request.append(memory, start, end);
        this.#bodySent = true;
      }
      if (chunk >= 0) this.#traffic.loop.release(chunk);
      return;
    }
    if (upstream === undefined || start === end) {
      if (chunk >= 0) this.#traffic.loop.release(chunk);
      return;
    }
    this.#bodySent = true;
    if (chunk < 0) upstream.stream.write(memory, start, end);
    else this.#traffic.forward(upstream.stream, chunk, start, end);
    this.progressed();
  }

  /** The request's body is malformed or too large: RFC 9112 §6.3 leaves nothing but to give up the connection. */
  bodyRefused(code: number): void {
    const { name, status } = refusalOf(code);
    this.#traffic.stats.refuse(name);
    this.#fail(status);
  }
  /** A request that has no exchange yet is not one. */
  refused(status: number): void {
    this.#record.beginRefused();
    this.method = 0;
    this.minor = 1;
    this.#close = true;
    this.#asked = false;
    this.#answer(answerFor(status));
  }

  clientGone(): void {
    if (this.#phase !== NONE) {
      this.#drop();
      this.#over(CLIENT_GONE);
    }
    // Nothing of us stays in the wheel: connections come and go faster than its slots come round.
    this.#traffic.wheel.remove(this);
  }
  clientDrained(): void {
    if (this.#phase === NONE) return;
    this.progressed();
    this.#upstream?.resume();
  }
  upstreamDrained(): void {
    this.progressed();
    this.#down.flow();
  }

  connected(): void {
    this.#endpoint?.connected(this.#traffic.wheel);
    this.#send();
    this.#down.flow();
  }
  granted(endpoint: Endpoint): void {
    this.#use(endpoint);
    this.#down.flow();
  }

  /** RFC 9110 §15.2: passed on, but not to HTTP/1.0 clients. */
  interim(head: ResponseHead): void {
    this.progressed();
    if (this.minor === 0) return;
    const { out } = this.#traffic;
    const length = this.#traffic.writeResponse(head, NO_EDITS, this.minor, false);
    if (length >= 0) this.#down.stream.write(out, 0, length);
  }

  /** The response's head, and octets [at, stop) of its body; `chunk`, unless -1, is taken. */
  respond(head: ResponseHead, memory: Buffer, chunk: number, at: number, stop: number): void {
    const traffic = this.#traffic;
    const { loop, out } = traffic;
    const down = this.#down;
    const { stream } = down;
    // A client that waits for 100 and gets an answer need not send its body: where its next request starts is unknown.
    if (mustClose(head, this.minor) || (this.#expects && !down.bodyDone && !this.#bodySent)) this.#close = true;
    if (traffic.draining || down.listener.closing) this.#close = true;
    const edits = (this.#rule as Rule).response;
    const stripped = chunk >= 0 ? stripResponseHead(head, edits, this.minor, this.#close) : -1;
    const length = stripped >= 0 ? 0 : traffic.writeResponse(head, edits, this.minor, this.#close);
    if (length < 0) {
      if (chunk >= 0) loop.release(chunk);
      return this.#fail(502);
    }
    this.#phase = ANSWERING;
    this.#status = head.status;
    this.#delimited = !mustClose(head, this.minor);
    this.#record.octets = stop - at;
    this.progressed();
    if (stripped >= 0) return traffic.forward(stream, chunk, stripped, stop);
    const place = at - length;
    if (chunk >= 0 && place >= chunk * loop.pool.chunkSize) {
      // The new head fits over the old one: head and body leave as one piece, where they lie.
      out.copy(memory, place, 0, length);
      traffic.forward(stream, chunk, place, stop);
      return;
    }
    stream.write(out, 0, length);
    if (chunk < 0) stream.write(memory, at, stop);
    else if (at < stop) traffic.forward(stream, chunk, at, stop);
    else loop.release(chunk);
  }
  /** More of the response's body. */
  relay(chunk: number, start: number, end: number): void {
    this.#record.octets += end - start;
    this.progressed();
    this.#traffic.forward(this.#down.stream, chunk, start, end);
  }
  write(memory: Buffer, start: number, end: number): void {
    this.#record.octets += end - start;
    this.#down.stream.write(memory, start, end);
  }
  /** The response is complete. */
  complete(): void {
    const upstream = this.#upstream as Upstream;
    this.#upstream = undefined;
    this.#endpoint?.counters.count("ok");
    if (this.#down.bodyDone) upstream.release();
    else upstream.abandon();
    const close = this.#close;
    this.#over(this.#status);
    this.#down.answered(close, this.#asked);
  }

  /** The connection to the server has failed, and is out of the books. */
  failed(why: UpstreamResult): void {
    const upstream = this.#upstream;
    const endpoint = this.#endpoint;
    const backend = this.#backend;
    this.#upstream = undefined;
    endpoint?.counters.count(why);
    if (this.#phase === ANSWERING) return this.#cut(this.#delimited);
    if (why === "connect-failed" || why === "connect-timeout") {
      // Nothing was sent: another server may have it.
      if (upstream?.ours !== true) endpoint?.avoid(this.#traffic.wheel);
      this.#phase = CHOOSING;
      if (backend !== undefined && ++this.#attempts < MOST_ATTEMPTS) return this.#acquire(endpoint);
      return this.#fail(why === "connect-timeout" ? 504 : 503);
    }
    if (why === "reset" && upstream?.reused === true && !upstream.heard && this.#repeatable(upstream)) {
      endpoint?.counters.count("retried");
      this.#phase = CHOOSING;
      if (endpoint !== undefined && endpoint.usable()) return this.#connect(endpoint);
      return this.#acquire(undefined);
    }
    this.#fail(502);
  }

  expired(): void {
    const upstream = this.#upstream;
    switch (this.#phase) {
      case WAITING:
        this.#backend?.unwait(this);
        return this.#fail(503);
      case CONNECTING:
        this.#upstream = undefined;
        upstream?.abandon();
        if (!this.#late()) return this.failed("connect-timeout");
        this.#endpoint?.counters.count("connect-timeout");
        return this.#fail(504);
      case SENT:
      case ANSWERING:
        // Silent is who owes us octets: the client its body, or the server its response.
        if (this.#down.bodyDone || this.#late()) this.#endpoint?.counters.count("idle-timeout");
        this.#drop();
        return this.#fail(this.#down.bodyDone || this.#late() ? 504 : 408);
      case CHOOSING:
      case NONE:
    }
  }

  /** Something moved: the silence starts again. */
  progressed(): void {
    const backend = this.#backend;
    if (this.#phase >= SENT && backend !== undefined) this.#arm(backend.idleTicks);
  }

  #acquire(not: Endpoint | undefined): void {
    const backend = this.#backend as Backend;
    const endpoint = backend.choose(not) ?? backend.choose();
    if (endpoint !== undefined) this.#use(endpoint);
    else if (backend.up && backend.wait(this)) {
      this.#phase = WAITING;
      this.#arm(backend.connectTicks);
    } else this.#fail(503);
  }
  #use(endpoint: Endpoint): void {
    const kept = endpoint.take(classAt(this.#belongings, endpoint.address)) as Upstream | undefined;
    if (kept === undefined) return this.#connect(endpoint);
    (this.#backend as Backend).hits++;
    this.#endpoint = endpoint;
    this.#upstream = kept;
    kept.start(this);
    this.#send();
  }
  #connect(endpoint: Endpoint): void {
    const backend = this.#backend as Backend;
    backend.misses++;
    endpoint.active++;
    this.#endpoint = endpoint;
    this.#phase = CONNECTING;
    this.#upstream = new Upstream(this.#traffic, backend, endpoint, classAt(this.#belongings, endpoint.address), this);
    this.#arm(backend.connectTicks);
  }
  #send(): void {
    const { stream } = this.#upstream as Upstream;
    this.#phase = SENT;
    stream.write(this.#request.octets, 0, this.#request.length);
    this.progressed();
  }

  /**
   * RFC 9110 §9.2.2: once, on a fresh connection, when the head is all there is to send and repeating cannot do harm:
   * the method is idempotent, or the kernel has taken nothing of the request.
   */
  #repeatable(upstream: Upstream): boolean {
    if (this.#bodySent || !this.#down.bodyDone || this.#phase !== SENT) return false;
    const { method } = this;
    if (upstream.unsent >= this.#request.length) return true;
    return method === GET || method === HEAD || method === OPTIONS || method === PUT || method === DELETE;
  }

  #tooLarge(): void {
    this.#traffic.stats.refuse("body-too-large");
    this.#close = true;
    this.#answer(answerFor(413));
  }
  /** Ends with an error of ours; when the response is under way already, by cutting it off. */
  #fail(status: number): void {
    if (this.#upstream !== undefined) this.#drop();
    if (this.#phase === ANSWERING) return this.#cut(false);
    // The rest of a body is not worth reading.
    if (!this.#down.bodyDone) this.#close = true;
    this.#answer(answerFor(status));
  }
  /** `delimited`: the client notices that something is missing, and may have what there is. */
  #cut(delimited: boolean): void {
    this.#over(this.#status);
    this.#down.cut(delimited);
  }
  #answer(answer: Answer): void {
    const traffic = this.#traffic;
    const { out } = traffic;
    const close = this.#close || (this.#expects && !this.#down.bodyDone) || traffic.draining;
    const length = writeAnswer(answer, traffic.date, close, this.minor, this.method === HEAD, out);
    this.#down.stream.write(out, 0, length);
    this.#over(answer.status);
    this.#down.answered(close, this.#asked);
  }
  /** Gives up the connection to the server. */
  #drop(): void {
    if (this.waiting) this.#backend?.unwait(this);
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.abandon();
  }

  #over(status: number): void {
    this.#record.end(status, this.#down, this.#rule, this.#backend, this.#endpoint);
    this.#traffic.wheel.disarm(this);
    this.#request.clear();
    this.#rule = this.#backend = this.#endpoint = this.#belongings = undefined;
    this.#phase = NONE;
  }

  #late(): boolean {
    return this.#deadline !== 0 && this.#traffic.wheel.tick >= this.#deadline;
  }
  #arm(ticks: Ticks): void {
    const { wheel } = this.#traffic;
    const left = this.#deadline === 0 ? ticks : Math.min(ticks, Math.max(1, this.#deadline - wheel.tick));
    wheel.arm(this, left);
  }
}

type Phase = typeof NONE | typeof CHOOSING | typeof WAITING | typeof CONNECTING | typeof SENT | typeof ANSWERING;
const NONE = 0;
const CHOOSING = 1;
const WAITING = 2;
const CONNECTING = 3;
/** The head of the request is sent. */
const SENT = 4;
/** The head of the response is sent. */
const ANSWERING = 5;
const MOST_ATTEMPTS = 3;
/** In the log and the counters: the client closed before its answer (the status that nginx made customary). */
const CLIENT_GONE = 499;
