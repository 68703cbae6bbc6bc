/**
 * A request as it goes to the server: its head, and behind it what came of the body before there was a connection.  Kept
 * until the exchange is over, so that it can be sent again.
 */
import { FULL } from "./http1/forward.ts";
import type { RequestHead } from "./http1/head.ts";
import { writeRequestHead } from "./http1/write-request.ts";
import type { Backend } from "./pool/backend.ts";
import type { Rule } from "./rule.ts";
import type { Traffic } from "./traffic.ts";

export class RequestStore {
  octets: Buffer = NOTHING;
  length = 0;
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  /** False: the head is too large with what we add to it. `requestForward` has the request's id already. */
  render(head: RequestHead, rule: Rule, client: Uint8Array, backend: Backend): boolean {
    const traffic = this.#traffic;
    const forward = traffic.requestForward;
    forward.edits = rule.request;
    forward.client = client;
    forward.fallbackHost = backend.hostText;
    const slab = traffic.slab();
    this.octets = slab;
    this.length = writeRequestHead(head, forward, slab, 0, rule.replaced);
    if (this.length !== FULL) return true;
    traffic.giveSlab(slab);
    this.length = writeRequestHead(head, forward, traffic.out, 0, rule.replaced);
    this.octets = this.length === FULL ? NOTHING : Buffer.from(traffic.out.subarray(0, this.length));
    return this.length !== FULL;
  }

  append(memory: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.octets.length) {
      const grown = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)));
      this.octets.copy(grown, 0, 0, this.length);
      this.#traffic.giveSlab(this.octets);
      this.octets = grown;
    }
    memory.copy(this.octets, this.length, start, end);
    this.length = length;
  }

  clear(): void {
    this.#traffic.giveSlab(this.octets);
    this.octets = NOTHING;
    this.length = 0;
  }
}

const NOTHING = Buffer.alloc(0);
