/**
 * Everything of ours in the kernel, found by its marks (marks.ts): for `novactl doctor` and `novactl cleanup`.  It needs
 * nothing from a running daemon and touches nothing that is not marked.
 */
import { Fault } from "../../base/fault.ts";
import {
  ADDRESS_PROTOCOLS,
  INTERFACE_ALIAS,
  INTERFACE_PREFIX,
  ROUTE_PROTOCOL,
  ROUTE_PROTOCOLS,
  RULE_PREFERENCE,
  TABLE_PREFIX,
} from "./marks.ts";
import type { Address } from "./netlink/address.ts";
import type { Link } from "./netlink/link.ts";
import type { TableHead } from "./netlink/nftables-objects.ts";
import type { Route } from "./netlink/route.ts";
import { RouteSocket } from "./netlink/route-socket.ts";
import { orderOf, type Rule } from "./netlink/rule.ts";
import { SetSocket } from "./netlink/set-socket.ts";
import { Nftables } from "./nftables.ts";

export interface Ours {
  readonly addresses: readonly (Address & { readonly ifname: string })[];
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly links: readonly Link[];
  readonly tables: readonly TableHead[];
}

/** Of the network namespace that the calling thread is in. */
export function audit(): Ours {
  using route = new RouteSocket();
  const links = route.links();
  return {
    addresses: route
      .addresses()
      .filter((each) => ADDRESS_PROTOCOLS.includes(each.protocol))
      .map((each) => ({ ...each, ifname: links.find((link) => link.index === each.index)?.name ?? "" })),
    routes: ROUTE_PROTOCOLS.flatMap((protocol) => route.routes({ protocol })),
    rules: route.rules().filter(isOurRule),
    links: links.filter((link) => link.name.startsWith(INTERFACE_PREFIX) && link.alias === INTERFACE_ALIAS),
    tables: tables(),
  };
}

/** Removes all of it; returns what there was. */
export function removeAll(): Ours {
  const ours = audit();
  remove(ours);
  return ours;
}

/** Removes what an audit found.  The fence goes last: until then an address that is still on an interface stays silent. */
export function remove(ours: Ours): void {
  using route = new RouteSocket();
  for (const { ip, prefixLength, index } of ours.addresses) route.deleteAddress(ip, prefixLength, index);
  for (const { destination, table, protocol, metric } of ours.routes) {
    route.deleteRoute({ destination, table, protocol, metric });
  }
  for (const rule of ours.rules) route.deleteRule(orderOf(rule));
  for (const { index } of ours.links) route.deleteLink(index);
  if (ours.tables.length > 0) {
    using nft = new Nftables();
    // Adding before deleting makes the script right also when somebody was quicker.
    const lines = ours.tables.map(
      ({ family, name }) => `add table ${family} ${name}\ndelete table ${family} ${name}\n`,
    );
    nft.transaction(lines.join(""));
  }
}

function isOurRule(rule: Rule): boolean {
  const { first, last } = RULE_PREFERENCE;
  return rule.protocol === ROUTE_PROTOCOL && rule.preference >= first && rule.preference <= last;
}

/** Without nf_tables in the kernel there can be no table of ours. */
function tables(): readonly TableHead[] {
  try {
    using sets = new SetSocket();
    return sets.tables().filter((table) => table.name.startsWith(TABLE_PREFIX));
  } catch (cause) {
    if (cause instanceof Fault && cause.code === "KERNEL_CALL" && cause.fields["errno"] === EPROTONOSUPPORT) return [];
    throw cause;
  }
}

const EPROTONOSUPPORT = 93;
