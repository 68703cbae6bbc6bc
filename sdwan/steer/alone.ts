/** What is left alone, as expressions of nftables.  Pure. */
import { formatPrefix } from "../../base/address.ts";
import { overlayPeers } from "./lanes.ts";
import { braces } from "./spans.ts";
import type { Writing } from "./writing.ts";

/** Link-local, multicast, broadcast: where no routing table leads. */
export const NOWHERE = [
  "ip daddr { 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 } accept",
  "ip6 daddr { fe80::/10, ff00::/8 } accept",
];
/** Flows whose answers would go there. */
export const NOBODY = ["ip saddr 169.254.0.0/16", "ip6 saddr fe80::/10"];
/** A client of ours has to reach the server of the link that it asks on. */
export const DHCP = "udp sport . udp dport { 68 . 67, 546 . 547 } accept";
/** What begins with a server's word: the client's is then the answer. */
export const DHCP_ANSWER = "udp sport . udp dport { 67 . 68, 547 . 546 }";

export const BETWEEN = "between";

/** To the chain with what `between` says; for UDP alone, so that TCP does not pay for it. */
export function apart(writing: Writing): readonly string[] {
  return between(writing).length === 0 ? [] : [`meta l4proto udp jump ${BETWEEN}`];
}

/** Probes, BFD and messages between sites: UDP between overlay addresses. */
export function between(writing: Writing): readonly string[] {
  const own = writing.lanes.overlay;
  const peers = overlayPeers(writing.plan);
  const pair = (ip: string, here: readonly string[], there: readonly string[]): readonly string[] =>
    here.length === 0 || there.length === 0
      ? []
      : [
          `${ip} saddr ${braces(here)} ${ip} daddr ${braces(there)} accept`,
          `${ip} saddr ${braces(there)} ${ip} daddr ${braces(here)} accept`,
        ];
  return [
    ...pair("ip", own.v4.map(formatPrefix), peers.v4.map(formatPrefix)),
    ...pair("ip6", own.v6.map(formatPrefix), peers.v6.map(formatPrefix)),
  ];
}
