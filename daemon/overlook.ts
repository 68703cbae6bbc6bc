/**
 * Calls that shall find another host: the kernel drops SYNs to addresses that routers are about to stop sending here, so
 * that the caller's second attempt, a second later, goes where they send then.  Everything else passes.  The rule forgets
 * by itself, should nobody be left to remove it; what is ours is removed when the daemon has ended (leftovers.ts).
 */

import { TABLE_PREFIX } from "../netstack/kernel/marks.ts";
import { Nftables } from "../netstack/kernel/nftables.ts";

/** Throws a Fault. */
export function overlook(addresses: readonly string[]): void {
  using nft = new Nftables();
  nft.transaction(overlookScript(addresses));
}

/** `addresses` with their prefix length, which is that of a host. */
export function overlookScript(addresses: readonly string[]): string {
  const hosts = addresses.map((each) => each.slice(0, each.indexOf("/")));
  const set = (name: string, type: string, members: readonly string[]): string => {
    const elements = members.length === 0 ? "" : `elements = { ${members.join(", ")} }`;
    return `set ${name} { type ${type}; flags timeout; timeout ${FORGOTTEN_AFTER}; ${elements} }`;
  };
  const table = `inet ${TABLE_PREFIX}_overlook`;
  return `add table ${table}
delete table ${table}
table ${table} {
  ${set(
    "callees4",
    "ipv4_addr",
    hosts.filter((host) => !host.includes(":")),
  )}
  ${set(
    "callees6",
    "ipv6_addr",
    hosts.filter((host) => host.includes(":")),
  )}
  chain input {
    type filter hook input priority -200
    tcp flags & (syn | ack) == syn ip daddr @callees4 counter drop
    tcp flags & (syn | ack) == syn ip6 daddr @callees6 counter drop
  }
}
`;
}

const FORGOTTEN_AFTER = "15s";
