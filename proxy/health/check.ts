/**
 * One health check of one endpoint over a connection of its own: GET and the status line, or a TCP connect alone.
 * 2xx and 3xx are healthy.  The body is not read.
 */
import { errnoText } from "../../netstack/kernel/errno.ts";
import type { Endpoint as Address, Closed, Loop, Stream, StreamHandler } from "../../netstack/kernel/loop.ts";
import { latin1, textOf } from "../http1/octets.ts";
import { type Ticks, Timed, type Wheel } from "../wheel.ts";

export class Check extends Timed implements StreamHandler {
  readonly #loop: Loop;
  readonly #wheel: Wheel;
  readonly #stream: Stream;
  /** undefined: connecting is all. */
  readonly #request: Uint8Array | undefined;
  readonly #done: (healthy: boolean, why: string) => void;
  #over = false;
  #line = "";

  /** Starts at once; `done` is called exactly once, unless `cancel` is called before. */
  constructor(
    loop: Loop,
    wheel: Wheel,
    to: Address,
    request: Uint8Array | undefined,
    timeout: Ticks,
    done: (healthy: boolean, why: string) => void,
  ) {
    super();
    this.#loop = loop;
    this.#wheel = wheel;
    this.#request = request;
    this.#done = done;
    this.#stream = loop.connect(to, this);
    wheel.arm(this, timeout);
  }

  cancel(): void {
    this.#end();
  }

  opened(stream: Stream): void {
    if (this.#over) return;
    if (this.#request === undefined) this.#finish(true, "connected");
    else stream.write(this.#request);
  }
  received(_stream: Stream, chunk: number, start: number, end: number): void {
    if (!this.#over) this.#line += textOf(this.#loop.pool.memory, start, Math.min(end, start + STATUS_LINE));
    this.#loop.release(chunk);
    if (!this.#over && this.#line.length >= STATUS_LINE) this.#judge();
  }
  ended(): void {
    if (!this.#over) this.#judge();
  }
  closed(_stream: Stream, why: Closed): void {
    if (this.#over) return;
    this.#finish(false, why.kind === "failed" ? errnoText(why.errno) : "closed without an answer");
  }
  expired(): void {
    this.#finish(false, "timeout");
  }

  #judge(): void {
    const status = /^HTTP\/1\.[01] ([1-5][0-9][0-9])/.exec(this.#line)?.[1];
    if (status === undefined) this.#finish(false, this.#line === "" ? "closed without an answer" : "not HTTP");
    else this.#finish(status.startsWith("2") || status.startsWith("3"), `status ${status}`);
  }
  #finish(healthy: boolean, why: string): void {
    if (this.#over) return;
    this.#end();
    this.#done(healthy, why);
  }
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wheel.remove(this);
    // Reset: what else the server sends is of no interest, and hundreds of checks must not leave sockets in TIME_WAIT.
    this.#stream.abort();
  }
}

/** The request of a check; `authority` is the endpoint's own, RFC 9112 §3.2. */
export function checkRequest(path: string, authority: string): Uint8Array {
  return latin1(
    `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\nUser-Agent: novaedge-health\r\nConnection: close\r\n\r\n`,
  );
}

/** "HTTP/1.1 200" */
const STATUS_LINE = 12;
