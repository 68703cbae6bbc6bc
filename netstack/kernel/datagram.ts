/**
 * Control messages of datagrams (cmsg(3)) as the contract's DatagramMeta: TTL and hop limit, packet info, time stamps.
 * Unknown ones are skipped; a length that lies ends the reading.
 */
import { type Ip, ipOfOctets } from "../../base/address.ts";
import type { DatagramMeta } from "./loop.ts";

/** Reads the control messages in [start, end) of `bytes`, which `view` covers too. */
export function metaOf(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  from: Uint8Array,
  truncated: boolean,
): DatagramMeta {
  let stamp: bigint | undefined;
  let ttl: number | undefined;
  let ifindex: number | undefined;
  let to: Ip | undefined;
  for (let at = start; at + HEADER <= end; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > end) break;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    const data = at + HEADER;
    const size = length - HEADER;
    if (level === SOL_SOCKET && type === SO_TIMESTAMPNS && size >= 16)
      stamp = view.getBigInt64(data, true) * 1_000_000_000n + view.getBigInt64(data + 8, true);
    else if (level === IPPROTO_IP && type === IP_TTL && size >= 4) ttl = view.getInt32(data, true);
    else if (level === IPPROTO_IPV6 && type === IPV6_HOPLIMIT && size >= 4) ttl = view.getInt32(data, true);
    else if (level === IPPROTO_IP && type === IP_PKTINFO && size >= 12) {
      ifindex = view.getInt32(data, true);
      to = ipOfOctets(bytes.subarray(data + 8, data + 12));
    } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && size >= 20) {
      to = ipOfOctets(bytes.subarray(data, data + 16));
      ifindex = view.getInt32(data + 16, true);
    }
    at += (length + 7) & ~7;
  }
  return { from, stamp, ttl, ifindex, to, truncated };
}

/** Room for all the messages above. */
export const CONTROL_MAX = 256;

const HEADER = 16;
const SOL_SOCKET = 1;
const SO_TIMESTAMPNS = 35;
const IPPROTO_IP = 0;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_PKTINFO = 50;
const IPV6_HOPLIMIT = 52;
