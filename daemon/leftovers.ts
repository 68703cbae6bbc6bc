/** What is ours in the kernel (netstack/kernel/audit.ts) as the admin API shows it, and its removal. */
import { formatIp, formatPrefix } from "../base/address.ts";
import { audit, type Ours, remove } from "../netstack/kernel/audit.ts";
import {
  BGP_ROUTE_PROTOCOL,
  OSPF_ROUTE_PROTOCOL,
  ROUTE_PROTOCOL,
  ROUTED_ADDRESS_PROTOCOL,
} from "../netstack/kernel/marks.ts";
import type { CleanupAnswer, OwnedThing } from "./admin/api.ts";
import type { Desired } from "./desired.ts";
import type { Events } from "./events.ts";

export function ownedThings(desired: Desired | undefined): readonly OwnedThing[] {
  return thingsOf(audit(), desired);
}

/** Removes what the running configuration does not want. */
export function cleanup(desired: Desired | undefined, dryRun: boolean): CleanupAnswer {
  const ours = audit();
  const things = thingsOf(ours, desired);
  const removed = things.filter(({ wanted }) => !wanted);
  const names = new Set(removed.map(({ kind, name }) => `${kind} ${name}`));
  if (!dryRun) {
    remove({
      ...ours,
      addresses: ours.addresses.filter((each) => names.has(`address ${addressName(each)}`)),
      routes: ours.routes.filter((each) => names.has(`route ${formatPrefix(each.destination)}`)),
      tables: ours.tables.filter((each) => names.has(`nftables ${tableName(each)}`)),
    });
  }
  return { removed, kept: things.filter(({ wanted }) => wanted), dryRun };
}

/**
 * Everything of ours: no child runs, so nothing of it is alive.  `routes`: but for what routing announces and has learnt,
 * which goes on working without it.
 */
export function removeLeftovers(events: Events, routes: boolean): void {
  const all = audit();
  const ours: Ours = routes
    ? {
        ...all,
        addresses: all.addresses.filter(({ protocol }) => protocol !== ROUTED_ADDRESS_PROTOCOL),
        routes: all.routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL),
      }
    : all;
  remove(ours);
  for (const { kind, name, detail } of thingsOf(ours, undefined)) {
    events.emit("kernel.left-over-removed", { kind, name, detail }, "warn");
  }
}

function thingsOf(ours: Ours, desired: Desired | undefined): readonly OwnedThing[] {
  const segments = desired?.vips.segments ?? [];
  const wanted = new Set(segments.flatMap(({ vips }) => vips.flatMap((vip) => [vip.address4, vip.address6])));
  for (const { addresses } of desired?.routing?.vips ?? []) for (const each of addresses) wanted.add(each);
  const learning = new Set([
    ...(desired?.routing?.bgp?.install === undefined ? [] : [BGP_ROUTE_PROTOCOL]),
    ...(desired?.routing?.ospf.some(({ install }) => install !== undefined) === true ? [OSPF_ROUTE_PROTOCOL] : []),
  ]);
  const fence = segments.length > 0;
  return [
    ...ours.addresses.map((address): OwnedThing => {
      const name = addressName(address);
      return { kind: "address", name, detail: `on ${address.ifname}`, wanted: wanted.has(name) };
    }),
    ...ours.tables.map(
      (table): OwnedThing => ({
        kind: "nftables",
        name: tableName(table),
        detail: "table: the fence around virtual IPs",
        wanted: fence,
      }),
    ),
    ...ours.routes.map(
      ({ destination, table, protocol }): OwnedThing => ({
        kind: "route",
        name: formatPrefix(destination),
        detail: `in table ${table}`,
        wanted: learning.has(protocol),
      }),
    ),
    ...ours.rules.map(
      ({ preference, family }): OwnedThing => ({
        kind: "rule",
        name: String(preference),
        detail: family,
        wanted: false,
      }),
    ),
    ...ours.links.map(({ name, kind }): OwnedThing => ({ kind: "link", name, detail: kind ?? "", wanted: false })),
  ];
}

function addressName({ ip, prefixLength }: Ours["addresses"][number]): string {
  return `${formatIp(ip)}/${prefixLength}`;
}
function tableName({ family, name }: Ours["tables"][number]): string {
  return `${family} ${name}`;
}
