/**
 * The near end of the loss shield: nftables tables that are there only while a class is shielded.  Pure.  What the far end
 * does is in shield-chains.ts.
 *
 * Packets of the class that leave by the lossy tunnel get the code point of originals (inet table, after routing).  Where
 * they enter the device (netdev table, hook egress: Linux 5.16), a copy goes to the device of the second tunnel.  There
 * WireGuard finds the peer by the destination as for any other packet.  No route is looked up for copies, connection
 * tracking does not see them, and both devices count what they send, so that loss is measured as before.
 *
 * Devices are copied from while they are in a set whose elements expire: when nobody renews them, because this program
 * was killed, copying ends.  (Tables of which a process is the owner would do that alone; but nft 1.0.6 prints them as
 * JSON that cannot be read.)
 */

import { shieldCodes, shieldLabel } from "../../base/shield-codes.ts";
import { interfaceText } from "./match.ts";
import type { MarkLayout, SteeringPlan } from "./part.ts";
import { networksOf, prefixSet } from "./spans.ts";
import { type Chain, chainText, Writing } from "./writing.ts";

/** Set of the inet table: devices that are copied from. */
export const LEASED = "leased";

/** Packets of a class to a site that leave by one device are copied to another one. */
export interface ShieldOrder {
  readonly class: string;
  /** The one at the other end of the tunnel. */
  readonly site: string;
  readonly from: string;
  readonly to: string;
}

export interface ShieldDevice {
  readonly index: number;
  /** Octets. */
  readonly mtu: number;
}

export interface Copies {
  /** What is kept up, without what the plan or the host does not have; `counters[k]` counts the copies of `orders[k]`. */
  readonly orders: readonly ShieldOrder[];
  readonly counters: readonly string[];
  /** The two tables; undefined: there is nothing to copy. */
  readonly tables: string | undefined;
}

export function copiesOf(
  plan: SteeringPlan,
  mark: MarkLayout,
  wanted: readonly ShieldOrder[],
  deviceOf: (ifname: string) => ShieldDevice | undefined,
  table: string,
): Copies {
  const writing = new Writing(plan, mark, []);
  const known = new Set<string>();
  const shields = wanted.flatMap((order): readonly Shield[] => {
    const dscp = plan.classes.find(({ name, shielded }) => name === order.class && shielded === true)?.dscp;
    const values = [...writing.lanes.forward].flatMap(([value, name]) => (name === order.class ? [value] : []));
    const [from, to] = [deviceOf(order.from), deviceOf(order.to)];
    const places = placesOf(plan, order);
    const key = [order.class, order.site, order.from].join(" ");
    if (dscp === undefined || values.length === 0 || places === undefined || known.has(key)) return [];
    if (from === undefined || to === undefined || order.from === order.to) return [];
    known.add(key);
    return [{ order, dscp, values, places, most: to.mtu < from.mtu ? to.mtu : undefined }];
  });
  const orders = shields.map(({ order }) => order);
  const counters = shields.map((_, index) => `copies_${index}`);
  if (shields.length === 0) return { orders, counters, tables: undefined };
  const devices = [...new Set(orders.map(({ from }) => from))];
  const marking: Chain = {
    name: "postrouting",
    hook: "type filter hook postrouting priority mangle + 1; policy accept;",
    rules: [`oifname != @${LEASED} accept`, ...shields.flatMap((shield) => marked(writing, shield))],
  };
  const copying = [
    ...shields.flatMap(chainsOf),
    ...devices.map((ifname, index): Chain => {
      const rules = shields.flatMap(({ order, dscp, places }, k) =>
        order.from !== ifname
          ? []
          : places.map(({ ip, where }) => `${where}${ip} dscp ${shieldCodes(dscp).original} goto copy_${k}_${ip}`),
      );
      const hook = `type filter hook egress device ${interfaceText(ifname)} priority 0; policy accept;`;
      return { name: `egress_${index}`, hook, rules };
    }),
  ];
  const body = (lines: readonly string[]): string => `{\n  ${lines.join("\n  ")}\n}\n`;
  const tables = [
    `table inet ${table} ${body([`set ${LEASED} { type ifname; flags timeout; }`, chainText(marking)])}`,
    `table netdev ${table} ${body([...counters.map((name) => `counter ${name} { }`), ...copying.map(chainText)])}`,
  ].join("");
  return { orders, counters, tables };
}

interface Shield {
  readonly order: ShieldOrder;
  readonly dscp: number;
  /** Of the mark, of packets that belong to the class. */
  readonly values: readonly number[];
  readonly places: readonly Place[];
  /** Longer ones do not fit into the second tunnel; undefined: all do. */
  readonly most: number | undefined;
}

/** Packets of one family to the site, as the start of a rule. */
interface Place {
  readonly ip: "ip" | "ip6";
  readonly where: string;
}

/** What of a device's packets goes to the site; undefined: the plan has no such tunnels. */
function placesOf({ tunnels }: SteeringPlan, { from, to, site }: ShieldOrder): readonly Place[] | undefined {
  const peers = tunnels.find(({ ifname }) => ifname === from)?.peers ?? [];
  const own = peers.find((peer) => peer.site === site);
  const second = tunnels.find(({ ifname }) => ifname === to)?.peers.some((peer) => peer.site === site);
  if (own === undefined || second !== true) return undefined;
  const anywhere: readonly Place[] = FAMILIES.map(([ip]) => ({ ip, where: "" }));
  if (peers.length === 1) return anywhere;
  const others = networksOf(peers.flatMap((peer) => (peer === own ? [] : peer.allowedIps)).filter(isNarrow));
  const networks = networksOf(own.allowedIps.filter(isNarrow));
  return FAMILIES.flatMap(([ip, family]): readonly Place[] => {
    // A site that is the way to everywhere has what the others have not.
    const isWide = own.allowedIps.some((each) => !isNarrow(each) && each.includes(":") === (family === "v6"));
    const list = isWide ? others[family] : networks[family];
    if (list.length === 0) return isWide ? [{ ip, where: "" }] : [];
    return [{ ip, where: `${ip} daddr ${isWide ? "!= " : ""}${prefixSet(list)} ` }];
  });
}

function marked(writing: Writing, { order, dscp, values, places }: Shield): readonly string[] {
  const { original } = shieldCodes(dscp);
  return places.flatMap(({ ip, where }) => {
    const out = `oifname ${interfaceText(order.from)} ${where}`;
    return [
      `${out}ct direction original ${writing.one("meta mark", values)} ${ip} dscp set ${original}`,
      `${out}ct direction reply ct label ${shieldLabel(dscp)} ${ip} dscp set ${original}`,
    ];
  });
}

function chainsOf({ order, dscp, places, most }: Shield, index: number): readonly Chain[] {
  const { original, copy } = shieldCodes(dscp);
  return places.map(({ ip }) => ({
    name: `copy_${index}_${ip}`,
    rules: [
      ...(most === undefined ? [] : [`meta length > ${most} accept`]),
      `${ip} dscp set ${copy}`,
      `counter name copies_${index}`,
      `dup to ${interfaceText(order.to)}`,
      `${ip} dscp set ${original}`,
    ],
  }));
}

function isNarrow(network: string): boolean {
  return !network.endsWith("/0");
}

const FAMILIES = [
  ["ip", "v4"],
  ["ip6", "v6"],
] as const;
