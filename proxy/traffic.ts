/** What all connections of one worker share.  One JavaScript thread owns all of it, so heads and buffers are used again. */
import { DRAIN_MARK, type Loop, type Stream } from "../netstack/kernel/loop.ts";
import type { AccessLog } from "./access-log.ts";
import type { ClassTable } from "./classes.ts";
import { type Edits, NO_EDITS } from "./http1/edits.ts";
import type { RequestForward, ResponseForward } from "./http1/forward.ts";
import { RequestHead, ResponseHead } from "./http1/head.ts";
import { latin1 } from "./http1/octets.ts";
import { RequestIds } from "./http1/request-id.ts";
import { writeResponseHead } from "./http1/write-response.ts";
import { Stats } from "./stats.ts";
import { Wheel } from "./wheel.ts";

/** A connection that is paused while its sink is full. */
export interface Source {
  look(): void;
}

export class Traffic {
  readonly loop: Loop;
  readonly log: AccessLog;
  readonly stats = new Stats();
  readonly wheel: Wheel;
  readonly ids: RequestIds;
  /** undefined: no traffic class asks what requests say. */
  classes: ClassTable | undefined = undefined;
  /** Every connection is answered with `Connection: close` from now on. */
  draining = false;

  readonly requestHead = new RequestHead();
  readonly responseHead = new ResponseHead();
  readonly requestForward: RequestForward;
  readonly responseForward: ResponseForward;
  /** Of clients, in this worker; beyond it new ones are closed at once. */
  maxConnections = Number.POSITIVE_INFINITY;
  /** "Date: …\r\n" of this second. RFC 9110 §6.6.1 */
  date: Uint8Array = NOTHING;
  /** A head is written here before it is sent. */
  readonly out = Buffer.allocUnsafeSlow(OUT);
  readonly #slabs: Buffer[] = [];
  #suspects: Source[] = [];

  /** `seed`: 12 random octets for request ids; `roused`: of the wheel. */
  constructor(loop: Loop, log: AccessLog, seed: Uint8Array, roused?: () => void) {
    this.loop = loop;
    this.wheel = new Wheel(roused);
    this.log = log;
    this.ids = new RequestIds(seed);
    this.requestForward = {
      edits: NO_EDITS,
      client: NOTHING,
      scheme: latin1("http"),
      requestId: NOTHING,
      fallbackHost: NOTHING,
    };
    this.responseForward = { edits: NO_EDITS, clientMinor: 1, close: false, date: NOTHING };
  }

  /**
   * Calls `source.look` in the next turn.  What is sent in this turn is offered to the kernel at its end: only what is
   * still queued after that is more than the sink takes, and worth the price of pausing its source.
   */
  lookSoon(source: Source): void {
    if (this.#suspects.push(source) > 1) return;
    const { loop } = this;
    loop.wakeAt(loop.turnAt(), () => {
      const suspects = this.#suspects;
      this.#suspects = [];
      for (const each of suspects) each.look();
    });
  }

  /** Half of the receive chunks wait to be sent: octets for a slow reader are copied then, so that all others go on. */
  get scarce(): boolean {
    return this.loop.stats().chunksLent > this.loop.pool.chunks / 2;
  }

  /** Sends octets of `chunk`, which is taken. */
  forward(stream: Stream, chunk: number, start: number, end: number): void {
    const { loop } = this;
    if (this.scarce) {
      stream.write(loop.pool.memory, start, end);
      loop.release(chunk);
    } else stream.forward(chunk, start, end);
  }

  /** Writes the head as it is forwarded into `out`; returns its length, or FULL. */
  writeResponse(head: ResponseHead, edits: Edits, clientMinor: number, close: boolean): number {
    const { responseForward } = this;
    responseForward.edits = edits;
    responseForward.clientMinor = clientMinor;
    responseForward.close = close;
    responseForward.date = this.date;
    return writeResponseHead(head, responseForward, this.out, 0);
  }

  /** A buffer for one rewritten request head of usual size. */
  slab(): Buffer {
    return this.#slabs.pop() ?? Buffer.allocUnsafeSlow(SLAB);
  }
  giveSlab(slab: Buffer): void {
    if (slab.length === SLAB && this.#slabs.length < SLABS) this.#slabs.push(slab);
  }
}

/** Octets in a stream's send queue above which its source is paused; `drained` of the sink lets it go on. */
export const HIGH_WATER = 2 * DRAIN_MARK;
const NOTHING = new Uint8Array(0);
const OUT = 196_608;
const SLAB = 4_096;
const SLABS = 1_024;
