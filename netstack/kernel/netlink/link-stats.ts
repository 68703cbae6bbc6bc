/**
 * Packets and octets that a device has carried: RTM_GETSTATS with the one attribute, a tenth of what a whole link costs,
 * and in the namespace of its socket whatever /sys shows.  Standards: include/uapi/linux/if_link.h (struct if_stats_msg,
 * struct rtnl_link_stats64).
 */
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, type Malformed } from "./attribute.ts";
import { ENODEV, NETLINK_ROUTE, NetlinkClient } from "./client.ts";
import { LITTLE, u32, u32Of } from "./octets.ts";

/** Exact up to 2^53. */
export interface LinkStats {
  readonly receivedPackets: number;
  readonly sentPackets: number;
  readonly receivedOctets: number;
  readonly sentOctets: number;
}

export class LinkStatsSocket implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_ROUTE, "NETLINK");

  /** undefined: no such device. */
  read(ifindex: number): LinkStats | undefined {
    const found = this.#client.get("get link statistics", RTM_GETSTATS, encodeGetLinkStats(ifindex), [ENODEV]);
    if (found === undefined) return undefined;
    const stats = decodeLinkStats(found);
    if (!stats.ok) throw this.#client.malformed(stats.error);
    return stats.value;
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

export function encodeGetLinkStats(ifindex: number): Uint8Array {
  const out = new Uint8Array(IF_STATS_MSG);
  out.set(u32(ifindex), 4);
  out.set(u32(1 << (IFLA_STATS_LINK_64 - 1)), 8);
  return out;
}

export function decodeLinkStats(payload: Uint8Array): Result<LinkStats, Malformed> {
  const short = (have: number, need: number): Result<LinkStats, Malformed> =>
    err({ kind: "short", what: "link statistics", have, need });
  if (payload.length < IF_STATS_MSG) return short(payload.length, IF_STATS_MSG);
  const attributes = Attributes.of(payload.subarray(IF_STATS_MSG));
  if (!attributes.ok) return attributes;
  const stats = attributes.value.octets(IFLA_STATS_LINK_64) ?? new Uint8Array(0);
  if (stats.length < 32) return short(stats.length, 32);
  const word = (index: number): number => {
    const [first, second] = [u32Of(stats, index * 8), u32Of(stats, index * 8 + 4)];
    return LITTLE ? second * 2 ** 32 + first : first * 2 ** 32 + second;
  };
  return ok({ receivedPackets: word(0), sentPackets: word(1), receivedOctets: word(2), sentOctets: word(3) });
}

const RTM_GETSTATS = 94;
const IFLA_STATS_LINK_64 = 1;
/** struct if_stats_msg {u8 family, u8, u16, u32 ifindex, u32 filter_mask} */
const IF_STATS_MSG = 12;
