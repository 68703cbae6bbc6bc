/**
 * The sender's end of one STAMP session: packets out of numbers, measurements out of what comes back.  Standards: RFC 8762
 * §4.2, RFC 8972 §3, §4.5.  A round trip is (T4 − T1) − (T3 − T2): the reflector's own time is taken out of it.
 */
import { err, ok, type Result } from "../../base/result.ts";
import { BASE, decodeReflected, encodeSender, OWN_ESTIMATE, type Refused, type Seal } from "./packet.ts";
import {
  COUNTERS,
  type Counters,
  decodeReflected as decodeTlvs,
  encodeCounters,
  encodePadding,
  type Refused as TlvRefused,
} from "./tlv.ts";

export interface Measured {
  readonly number: number;
  /** By the clock that nobody sets. */
  readonly sentAt: number;
  readonly rtt: number;
  /** Received less sent, each way; undefined: our own clock was set between. */
  readonly out: number | undefined;
  readonly back: number | undefined;
  readonly reflector: number;
  /** How long the reflector kept it. */
  readonly held: number;
  readonly counters: Counters | undefined;
  /** Why there are no counters, if there should be some. */
  readonly extensions: TlvRefused | undefined;
}

export type NotOurs =
  | Refused
  /** Of another session: an earlier one of ours, most likely. */
  | { readonly kind: "other-session" }
  /** We never sent what it answers, or so long ago that nobody waits. */
  | { readonly kind: "unasked" }
  /** The sender's own words do not come back as they were sent. */
  | { readonly kind: "altered" };

export class StampSession {
  readonly #seal: Seal;
  /** RFC 8972 §3: not zero. */
  readonly #session: number;
  readonly #sent = new Map<number, Sent>();
  #newest = -1;

  constructor(seal: Seal, session: number) {
    this.#seal = seal;
    this.#session = session;
  }

  /** `at` is T1, as late before sending as can be; `sentPackets` undefined: counters are not asked for. */
  packet(number: number, at: Reading, sentPackets: number | undefined): Uint8Array {
    this.#newest = number;
    this.#sent.set(number, { written: at.wall, wall: at.wall, boot: at.boot });
    this.#sent.delete(number - REMEMBERED);
    const sequence = number % 2 ** 32;
    const tlvs = sentPackets === undefined ? encodePadding() : this.#counters(sentPackets, sequence);
    return encodeSender({ sequence, at: at.wall, estimate: OWN_ESTIMATE, session: this.#session }, this.#seal, tlvs);
  }

  #counters(sentPackets: number, sequence: number): Uint8Array {
    const counters = { senderTx: sentPackets % 2 ** 32, reflectorRx: 0, reflectorTx: 0 };
    return encodeCounters(counters, sequence, this.#seal);
  }

  /** It goes now, by the wall clock: what sealing it took is no part of the round trip, though T1 was written before. */
  leaves(number: number, wall: number): void {
    const sent = this.#sent.get(number);
    if (sent !== undefined && wall >= sent.wall && wall - sent.wall < MOST_SEALING) sent.wall = wall;
  }

  /** `at.wall` is T4. */
  read(bytes: Uint8Array, at: Reading): Result<Measured, NotOurs> {
    const decoded = decodeReflected(bytes, this.#seal);
    if (!decoded.ok) return decoded;
    const { session, senderSequence, senderAt, receivedAt, at: sentBackAt, sequence } = decoded.value;
    if (session !== this.#session) return err({ kind: "other-session" });
    const number = this.#newest - ((this.#newest - senderSequence) >>> 0);
    const sent = this.#sent.get(number);
    if (sent === undefined) return err({ kind: "unasked" });
    // Both are 64-bit words made of the same number: they are equal, or somebody else wrote them.
    if (Math.abs(senderAt - sent.written) > STAMP_GRAIN) return err({ kind: "altered" });

    const { way, clockSet } = spanOf(sent, at);
    const kept = sentBackAt - receivedAt;
    const held = kept >= 0 && kept <= way ? kept : 0;
    const extensions = decodeTlvs(bytes.subarray(BASE), sequence, this.#seal);
    return ok({
      number,
      sentAt: sent.boot,
      rtt: way - held,
      out: clockSet ? undefined : receivedAt - sent.wall,
      back: clockSet ? undefined : at.wall - sentBackAt,
      reflector: sequence,
      held,
      counters: extensions.ok ? extensions.value.counters : undefined,
      extensions: extensions.ok ? undefined : extensions.error,
    });
  }
}

/**
 * From sending to receiving: by the wall clock, since that is what the kernel stamps with, as long as the other one agrees
 * that it was not set meanwhile.
 */
export function spanOf(sent: Reading, received: Reading): { readonly way: number; readonly clockSet: boolean } {
  const elapsed = received.boot - sent.boot;
  const span = received.wall - sent.wall;
  const clockSet = !(span >= 0 && span <= elapsed + CLOCK_GRAIN);
  return { way: clockSet ? elapsed : span, clockSet };
}

/** `wall` is milliseconds since 1970, `boot` the same instant, or a little later, by a clock that nobody sets. */
export interface Reading {
  readonly wall: number;
  readonly boot: number;
}

interface Sent {
  /** T1, in the packet. */
  readonly written: number;
  /** When it left. */
  wall: number;
  readonly boot: number;
}

/** Octets of UDP payload that a probe of ours takes; an answer takes as many. */
export const PROBE = BASE + COUNTERS;
/** Numbers that an answer may still name. */
const REMEMBERED = 2048;
/** Milliseconds: half of what a double can tell of today's date. */
const STAMP_GRAIN = 0.000_3;
/** The two clocks are not read at the same instant. */
const CLOCK_GRAIN = 1;
const MOST_SEALING = 100;
