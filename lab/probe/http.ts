/** One GET on a connection of its own each time, so that every probe meets the whole path anew. */
import { formatIp, isIpv4 } from "../../base/address.ts";
import type { Closed, Endpoint, Loop, Stream, StreamHandler } from "../../netstack/kernel/loop.ts";
import type { Fate, ProbeTarget } from "./target.ts";

export class HttpTarget implements ProbeTarget {
  readonly #loop: Loop;
  readonly #to: Endpoint;
  readonly #request: Buffer;

  constructor(loop: Loop, to: Endpoint, path: string, host: string) {
    this.#loop = loop;
    this.#to = to;
    const address = isIpv4(to.ip) ? formatIp(to.ip) : `[${formatIp(to.ip)}]`;
    const name = host === "" ? address : host;
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
  }

  probe(fate: (fate: Fate) => void): () => void {
    const exchange = new Exchange(this.#loop, this.#request, fate);
    const stream = this.#loop.connect(this.#to, exchange);
    return () => {
      if (!exchange.over) stream.abort();
    };
  }
}

class Exchange implements StreamHandler {
  /** The stream must not be touched any more. */
  over = false;
  readonly #loop: Loop;
  readonly #request: Buffer;
  readonly #fate: (fate: Fate) => void;
  #answer = "";

  constructor(loop: Loop, request: Buffer, fate: (fate: Fate) => void) {
    this.#loop = loop;
    this.#request = request;
    this.#fate = fate;
  }

  opened(stream: Stream): void {
    stream.write(this.#request);
  }
  received(_: Stream, chunk: number, start: number, end: number): void {
    if (this.#answer.length < MOST) this.#answer += this.#loop.pool.memory.toString("latin1", start, end);
    this.#loop.release(chunk);
  }
  /** The answer is whole when the server has closed, as it was asked to: one cut short is a failure. */
  ended(stream: Stream): void {
    const head = this.#answer.indexOf("\r\n\r\n");
    const status = /^HTTP\/1\.[01] ([0-9]{3})/.exec(this.#answer)?.[1];
    const length = /\r\ncontent-length: *([0-9]+)/i.exec(this.#answer)?.[1];
    stream.close();
    if (head < 0 || status === undefined) return this.#fate({ kind: "failed", why: "cut short" });
    if (length !== undefined && this.#answer.length < Math.min(MOST, head + 4 + Number(length)))
      return this.#fate({ kind: "failed", why: "cut short" });
    if (status >= "400") return this.#fate({ kind: "failed", why: status });
    const by = /\r\nx-backend: *([^\r\n]*)/i.exec(this.#answer.slice(0, head))?.[1];
    this.#fate({ kind: "answered", at: this.#loop.now(), by: by ?? status });
  }
  closed(_: Stream, why: Closed): void {
    this.over = true;
    this.#fate({ kind: "failed", why: why.kind === "failed" ? `errno ${why.errno}` : "closed" });
  }
}

/** Octets of an answer that are looked at. */
const MOST = 65_536;
