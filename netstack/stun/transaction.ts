/** One STUN request over UDP and its retransmissions (RFC 8489 §6.2.1).  Sans-IO. */
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import type { StunAddress, StunMessage } from "./packet.ts";

export interface Timing {
  /** First wait for an answer; each following one is twice as long.  RFC 8489: 500 ms where the path is not known. */
  readonly rto: Ms;
  /** Requests in all. */
  readonly most: number;
}
export const USUAL_TIMING: Timing = { rto: ms(250), most: 4 };

export interface Outgoing {
  readonly to: StunAddress;
  readonly bytes: Uint8Array;
}

export class Transaction {
  readonly to: StunAddress;
  readonly id: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #elsewhere: boolean;
  readonly #timing: Timing;
  #sent = 0;
  #due: Instant;

  constructor(
    request: {
      readonly to: StunAddress;
      readonly id: Uint8Array;
      readonly bytes: Uint8Array;
      /** RFC 5780 §7.2: a CHANGE-REQUEST is in it. */
      readonly elsewhere: boolean;
    },
    timing: Timing,
    now: Instant,
  ) {
    this.to = request.to;
    this.id = request.id;
    this.#bytes = request.bytes;
    this.#elsewhere = request.elsewhere;
    this.#timing = timing;
    this.#due = now;
  }

  /** When `wake` wants to be called. */
  get due(): Instant {
    return this.#due;
  }

  /** What to send now; "over": nobody answered. */
  wake(now: Instant): Outgoing | "over" | undefined {
    if (now < this.#due) return undefined;
    if (this.#sent === this.#timing.most) return "over";
    this.#due = after(now, ms(this.#timing.rto * 2 ** this.#sent++));
    return { to: this.to, bytes: this.#bytes };
  }

  /** Only whom was asked may answer, but where the server was told to answer from elsewhere. */
  answers(message: StunMessage, from: StunAddress): boolean {
    if (message.class !== "success" && message.class !== "error") return false;
    if (!this.#elsewhere && (from.ip !== this.to.ip || from.port !== this.to.port)) return false;
    return message.transaction.every((octet, index) => octet === this.id[index]);
  }
}
