/** What is ours in the kernel (netstack/kernel/audit.ts) as the admin API shows it, and its removal. */
import { formatIp, formatPrefix } from "../base/address.ts";
import { audit, type Ours, remove } from "../netstack/kernel/audit.ts";
import {
  BGP_ROUTE_PROTOCOL,
  OSPF_ROUTE_PROTOCOL,
  ROUTE_PROTOCOL,
  ROUTED_ADDRESS_PROTOCOL,
} from "../netstack/kernel/marks.ts";
import { WAN_TABLE } from "../sdwan/steer/driver/ruleset-keeper.ts";
import type { CleanupAnswer, OwnedThing } from "./admin/api.ts";
import type { Desired } from "./desired/desired.ts";
import { isWanTable } from "./desired/wan-world.ts";
import type { Events } from "./events.ts";

export function ownedThings(desired: Desired | undefined): readonly OwnedThing[] {
  return thingsOf(audit(), desired);
}

/** Removes what the running configuration does not want. */
export function cleanup(desired: Desired | undefined, dryRun: boolean): CleanupAnswer {
  const ours = audit();
  const things = thingsOf(ours, desired);
  const removed = things.filter(({ wanted }) => !wanted);
  if (!dryRun) {
    const unwanted = new Set(removed.map(textOf));
    const goes = (thing: OwnedThing): boolean => unwanted.has(textOf(thing));
    const words = wordsFor(desired);
    remove({
      addresses: ours.addresses.filter((each) => goes(words.address(each))),
      routes: ours.routes.filter((each) => goes(words.route(each))),
      rules: ours.rules.filter((each) => goes(words.rule(each))),
      links: ours.links.filter((each) => goes(words.link(each))),
      tables: ours.tables.filter((each) => goes(words.table(each))),
    });
  }
  return { removed, kept: things.filter(({ wanted }) => wanted), dryRun };
}

/**
 * Everything of ours: no child runs, so nothing of it is alive.  `routes`: but for what routing announces and has learnt,
 * which goes on working without it.  `tunnels`: but for what carries traffic over links and tunnels.  `vips`: but for virtual
 * IPs of a segment, and their fence, which pulse has.
 */
export function removeLeftovers(
  events: Events,
  { routes, tunnels, vips }: { readonly routes: boolean; readonly tunnels: boolean; readonly vips: boolean },
): void {
  const all = audit();
  const unrouted: Ours = routes
    ? {
        ...all,
        addresses: all.addresses.filter(({ protocol }) => protocol !== ROUTED_ADDRESS_PROTOCOL),
        routes: all.routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL),
      }
    : all;
  const untunnelled = tunnels ? withoutTunnels(unrouted) : unrouted;
  const ours = vips ? withoutSegments(untunnelled) : untunnelled;
  remove(ours);
  for (const { kind, name, detail } of thingsOf(ours, undefined)) {
    events.emit("kernel.left-over-removed", { kind, name, detail }, "warn");
  }
}

/** Devices, rules, and a range of tables are for links and tunnels alone. */
function withoutTunnels(ours: Ours): Ours {
  const devices = new Set(ours.links.map(({ index }) => index));
  return {
    addresses: ours.addresses.filter(({ index }) => !devices.has(index)),
    routes: ours.routes.filter(({ table, protocol }) => protocol !== ROUTE_PROTOCOL || !isWanTable(table)),
    rules: [],
    links: [],
    tables: ours.tables.filter(({ name }) => name !== WAN_TABLE),
  };
}

/** Every other address on a device of the host's own, and every other table. */
function withoutSegments(ours: Ours): Ours {
  const devices = new Set(ours.links.map(({ index }) => index));
  return {
    ...ours,
    addresses: ours.addresses.filter(
      ({ protocol, index }) => protocol === ROUTED_ADDRESS_PROTOCOL || devices.has(index),
    ),
    tables: ours.tables.filter(({ name }) => name === WAN_TABLE),
  };
}

function thingsOf(ours: Ours, desired: Desired | undefined): readonly OwnedThing[] {
  const words = wordsFor(desired);
  return [
    ...ours.addresses.map(words.address),
    ...ours.tables.map(words.table),
    ...ours.routes.map(words.route),
    ...ours.rules.map(words.rule),
    ...ours.links.map(words.link),
  ];
}

interface Words {
  readonly address: (address: Ours["addresses"][number]) => OwnedThing;
  readonly table: (table: Ours["tables"][number]) => OwnedThing;
  readonly route: (route: Ours["routes"][number]) => OwnedThing;
  readonly rule: (rule: Ours["rules"][number]) => OwnedThing;
  readonly link: (link: Ours["links"][number]) => OwnedThing;
}

/** How each is shown, and whether the configuration wants it. */
function wordsFor(desired: Desired | undefined): Words {
  const segments = desired?.vips.segments ?? [];
  const wanted = new Set(segments.flatMap(({ vips }) => vips.flatMap((vip) => [vip.address4, vip.address6])));
  for (const { addresses } of desired?.routing?.vips ?? []) for (const each of addresses) wanted.add(each);
  for (const each of desired?.wan?.underlay.overlay ?? []) wanted.add(each);
  const learning = new Set([
    ...(desired?.routing?.bgp?.install === undefined ? [] : [BGP_ROUTE_PROTOCOL]),
    ...(desired?.routing?.ospf.some(({ install }) => install !== undefined) === true ? [OSPF_ROUTE_PROTOCOL] : []),
  ]);
  const fence = segments.length > 0;
  const tunnels = new Set(desired?.wan?.underlay.tunnels.map(({ ifname }) => ifname));
  const lanes = new Set(desired?.wan?.underlay.lanes.map(({ table }) => table));
  return {
    address: (address) => {
      const name = addressName(address);
      return { kind: "address", name, detail: `on ${address.ifname}`, wanted: wanted.has(name) };
    },
    table: (table) => {
      const classes = table.name === WAN_TABLE;
      const detail = classes ? "table: traffic classes" : "table: the fence around virtual IPs";
      return { kind: "nftables", name: tableName(table), detail, wanted: classes ? lanes.size > 0 : fence };
    },
    route: ({ destination, table, protocol }) => ({
      kind: "route",
      name: formatPrefix(destination),
      detail: `in table ${table}`,
      wanted: learning.has(protocol) || (protocol === ROUTE_PROTOCOL && lanes.has(table)),
    }),
    rule: ({ preference, family, table }) => ({
      kind: "rule",
      name: String(preference),
      detail: family,
      // Those of other tables keep what is near out of the lanes.
      wanted: lanes.has(table) || (lanes.size > 0 && !isWanTable(table)),
    }),
    link: ({ name, kind }) => ({ kind: "link", name, detail: kind ?? "", wanted: tunnels.has(name) }),
  };
}

function textOf({ kind, name, detail }: OwnedThing): string {
  return `${kind} ${name} ${detail}`;
}
function addressName({ ip, prefixLength }: Ours["addresses"][number]): string {
  return `${formatIp(ip)}/${prefixLength}`;
}
function tableName({ family, name }: Ours["tables"][number]): string {
  return `${family} ${name}`;
}
