/**
 * What an interface has carried.  Standards: rtnetlink(7), include/uapi/linux/if_link.h (RTM_GETSTATS, struct
 * rtnl_link_stats64).  Left out on purpose: errors by kind, per-family and offload statistics.
 */
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, type Malformed } from "./attribute.ts";
import { LITTLE, u8, u16, u32, view } from "./octets.ts";

export interface Counters {
  readonly received: Counted;
  readonly sent: Counted;
}
export interface Counted {
  readonly packets: number;
  readonly octets: number;
}

export function encodeGetCounters(index: number): Uint8Array {
  return join([u8(0), u8(0), u16(0), u32(index), u32(1 << (LINK_64 - 1))]);
}

export function decodeCounters(payload: Uint8Array): Result<Counters, Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "if_stats_msg", have: payload.length, need: HEAD });
  const parsed = Attributes.of(payload.subarray(HEAD));
  if (!parsed.ok) return parsed;
  const octets = parsed.value.octets(LINK_64);
  if (octets === undefined || octets.length < LEAST) {
    return err({ kind: "short", what: "rtnl_link_stats64", have: octets?.length ?? 0, need: LEAST });
  }
  // Beyond 2^53 octets a link has earned its rounding.
  const value = (place: number): number => Number(view(octets).getBigUint64(place * 8, LITTLE));
  return ok({ received: { packets: value(0), octets: value(2) }, sent: { packets: value(1), octets: value(3) } });
}

export const RTM_GETSTATS = 94;
/** struct if_stats_msg */
const HEAD = 12;
/** IFLA_STATS_LINK_64 */
const LINK_64 = 1;
/** rx_packets, tx_packets, rx_bytes, tx_bytes come first. */
const LEAST = 32;
