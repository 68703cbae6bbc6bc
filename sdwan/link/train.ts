/**
 * Bandwidth by packet trains: packets sent as fast as the host can, of which the far end sees how far the line has pulled
 * them apart.  A dialect of our own between two of our hosts, inside a tunnel; every packet is authenticated by its first
 * octets, which name the train.
 *
 *   0  "NVBW"                8  train, 8 octets, chosen by who asks
 *   4  version (1)          16  `ask`: count, size; `wagon`: index, count; `result`: received, count (2 octets each)
 *   5  kind                 20  `ask`: stamp of the asker's clock; `result`: bits per second (8 octets each)
 *   6  zero, 2 octets       28  tag, 16 octets: HMAC-SHA-256 of the octets before, cut off; then padding
 */
import { err, ok, type Result } from "../../base/result.ts";

export type TrainPacket =
  /** Send me a train. */
  | {
      readonly kind: "ask";
      readonly train: bigint;
      readonly count: number;
      readonly size: number;
      readonly stamp: bigint;
    }
  | { readonly kind: "wagon"; readonly train: bigint; readonly index: number; readonly count: number }
  /** Of a train that came: 0 when too little of it did. */
  | {
      readonly kind: "result";
      readonly train: bigint;
      readonly received: number;
      readonly count: number;
      readonly bits: number;
    };

export type BadTrain = { readonly kind: "short" | "foreign" | "unknown-kind" | "forged" };
/** Of octets: 16 or more, of which 16 are taken. */
export type Sign = (octets: Uint8Array) => Uint8Array;

/** `size` octets, at least the header's. */
export function encodeTrain(packet: TrainPacket, sign: Sign, size = HEADER): Uint8Array {
  if (size < HEADER) throw new TypeError(`a train's packet of ${size} octets`);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC);
  out[4] = VERSION;
  out[5] = KINDS.indexOf(packet.kind) + 1;
  view.setBigUint64(8, packet.train);
  if (packet.kind === "ask") {
    view.setUint16(16, packet.count);
    view.setUint16(18, packet.size);
    view.setBigUint64(20, packet.stamp);
  } else if (packet.kind === "wagon") {
    view.setUint16(16, packet.index);
    view.setUint16(18, packet.count);
  } else {
    view.setUint16(16, packet.received);
    view.setUint16(18, packet.count);
    view.setBigUint64(20, BigInt(Math.round(packet.bits)));
  }
  out.set(sign(out.subarray(0, SIGNED)).subarray(0, TAG), SIGNED);
  return out;
}

export function decodeTrain(
  bytes: Uint8Array,
  verify: (octets: Uint8Array, tag: Uint8Array) => boolean,
): Result<TrainPacket, BadTrain> {
  if (bytes.length < HEADER) return err({ kind: "short" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC || bytes[4] !== VERSION) return err({ kind: "foreign" });
  const kind = KINDS[(bytes[5] ?? 0) - 1];
  if (kind === undefined) return err({ kind: "unknown-kind" });
  if (!verify(bytes.subarray(0, SIGNED), bytes.subarray(SIGNED, HEADER))) return err({ kind: "forged" });
  const [train, first, second, last] = [
    view.getBigUint64(8),
    view.getUint16(16),
    view.getUint16(18),
    view.getBigUint64(20),
  ];
  switch (kind) {
    case "ask":
      return ok({ kind, train, count: first, size: second, stamp: last });
    case "wagon":
      return ok({ kind, train, index: first, count: second });
    case "result":
      return ok({ kind, train, received: first, count: second, bits: Number(last) });
  }
}

export interface Arrival {
  readonly index: number;
  /** When the kernel had it, nanoseconds. */
  readonly stamp: bigint;
}

/**
 * Bits per second that the line carried of packets of `octets` each; undefined when too few came.  The first third is
 * left out: it may have gone ahead on a burst that the line allows (token buckets).
 */
export function rateOf(arrivals: readonly Arrival[], count: number, octets: number): number | undefined {
  const late = arrivals.filter(({ index }) => index >= count / 3).toSorted((a, b) => Number(a.stamp - b.stamp));
  const [first, last] = [late[0], late.at(-1)];
  if (first === undefined || last === undefined || late.length < LEAST_SHARE * (count - count / 3)) return undefined;
  const span = Number(last.stamp - first.stamp);
  // The first one's octets had arrived when the clock began.
  return span <= 0 ? undefined : ((late.length - 1) * octets * 8 * 1e9) / span;
}

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

const HEADER = 44;
const SIGNED = 28;
const TAG = 16;
const MAGIC = 0x4e56_4257;
const VERSION = 1;
const KINDS = ["ask", "wagon", "result"] as const;
/** With more loss the gaps are no longer the line's. */
const LEAST_SHARE = 0.5;
