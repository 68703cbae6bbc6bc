/**
 * What must change so that the kernel has the fence that is wanted.  Pure: observed state in, one nft script and one
 * batch of set elements out; both empty when nothing is to be done.  A fence that somebody has touched (a rule or chain
 * missing, another version) is replaced as a whole in one transaction that carries over what drains.  Leases and handovers
 * are not in it: a lease that was read and is written later might have lapsed in between, and a handover needs to know
 * the flows that began since (see fence.ts).
 */
import { createHash } from "node:crypto";
import { formatIp, type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import { hex } from "../../base/octets.ts";
import type { Ms } from "../../base/unit.ts";
import { type Chain, chainText, commonChains, FAMILIES, type Family, interfaceChains, SETS } from "./fence-rules.ts";
import { VIP_TABLE } from "./marks.ts";
import type { Change, Element, SetRef } from "./netlink/nftables-elements.ts";
import type { ChainHead, RuleHead, TableHead } from "./netlink/nftables-objects.ts";

/** An address that is guarded, and the only interface on which hosts may ask for it. */
export interface Guard {
  readonly ifname: string;
  readonly address: Ip;
}

export interface Want {
  readonly guards: readonly Guard[];
  /** Of the interfaces that guards name, those that exist. */
  readonly present: readonly string[];
}

/** An address that is in a set for `left` of `timeout`; of a handover, `to` is the previous owner. */
export interface Living {
  readonly set: "owned" | "draining" | "handover";
  readonly address: Ip;
  readonly timeout: Ms;
  readonly left: Ms;
  readonly to?: Ip;
}

export interface Have {
  readonly tables: readonly TableHead[];
  readonly chains: readonly ChainHead[];
  readonly rules: readonly RuleHead[];
  /** Keys of the permanent sets, as `family name` → hexadecimal. */
  readonly guarded: ReadonlyMap<string, readonly string[]>;
  readonly living: readonly Living[];
}

export interface Plan {
  readonly script: string;
  /** The script makes everything anew. */
  readonly whole: boolean;
  readonly changes: readonly Change[];
}

export function planFence(want: Want, have: Have): Plan {
  if (!sound(have)) return { script: wholeFence(want, have.living), whole: true, changes: [] };
  return { script: interfaceScript(want, have), whole: false, changes: guardChanges(want, have) };
}

/** Removes the fence; without complaint if parts are missing. */
export function removalScript(): string {
  return FAMILIES.map((family) => `add table ${family} ${VIP_TABLE}\ndelete table ${family} ${VIP_TABLE}\n`).join("");
}

export function setRef(family: Family, name: string): SetRef {
  return { family, table: VIP_TABLE, name };
}

/** The sets in which an address must be for the kernel to know it as owned, draining or handed over. */
export function setsOf(set: Living["set"], ip: Ip): readonly SetRef[] {
  const digit = isIpv4(ip) ? "4" : "6";
  const internet = setRef(isIpv4(ip) ? "ip" : "ip6", `${set}${digit}`);
  return set === "owned" ? [internet, setRef("netdev", `owned${digit}`)] : [internet];
}

/** The permanent sets and what belongs into them. */
export function guardSets(guards: readonly Guard[]): ReadonlyMap<string, readonly Element[]> {
  const keys = (v4: boolean): readonly Element[] =>
    guards.filter((each) => isIpv4(each.address) === v4).map((each) => ({ key: octetsOfIp(each.address) }));
  const homes = guards
    .filter((each) => isIpv4(each.address))
    .map((each) => ({ key: homeKey(each.ifname, each.address) }));
  return new Map<string, readonly Element[]>([
    ["arp guarded4", keys(true)],
    ["arp home4", homes],
    ["ip guarded4", keys(true)],
    ["netdev guarded4", keys(true)],
    ["ip6 guarded6", keys(false)],
    ["netdev guarded6", keys(false)],
  ]);
}

/** Every table, chain and rule that is the same on every host is there, in this version. */
function sound(have: Have): boolean {
  const tables = new Map(have.tables.filter((each) => each.name === VIP_TABLE).map((each) => [each.family, each]));
  return (
    FAMILIES.every((family) => tables.get(family)?.comment === comment()) &&
    commonChains().every((chain) => complete(chain, have)) &&
    have.guarded.size === guardSets([]).size
  );
}

function complete(chain: Chain, have: Have): boolean {
  const rules = have.rules.filter((each) => inChain(each, each.chain, chain)).length;
  return have.chains.some((each) => inChain(each, each.name, chain)) && rules === chain.rules.length;
}

function inChain(each: { readonly family: string; readonly table: string }, name: string, chain: Chain): boolean {
  return each.table === VIP_TABLE && each.family === chain.family && name === chain.name;
}

function wholeFence(want: Want, living: readonly Living[]): string {
  const chains = [...commonChains(), ...want.present.flatMap(interfaceChains)];
  const tables = FAMILIES.map((family) => {
    const own = chains.filter((chain) => chain.family === family).map(chainText);
    const body = [`comment "${comment()}"`, ...SETS[family], ...own];
    return `table ${family} ${VIP_TABLE} {\n  ${body.join("\n  ")}\n}\n`;
  });
  const guarded = want.guards.flatMap(guardLines);
  return [
    removalScript(),
    ...tables,
    ...guarded,
    ...living.filter((each) => each.set === "draining").flatMap(drainingLines),
  ].join("");
}

function guardLines(guard: Guard): readonly string[] {
  const { address, ifname } = guard;
  const digit = isIpv4(address) ? "4" : "6";
  const lines = [
    elementLine(isIpv4(address) ? "ip" : "ip6", `guarded${digit}`, formatIp(address)),
    elementLine("netdev", `guarded${digit}`, netdevKey(address)),
  ];
  if (!isIpv4(address)) return lines;
  return [
    ...lines,
    elementLine("arp", "guarded4", formatIp(address)),
    elementLine("arp", "home4", `"${ifname}" . ${formatIp(address)}`),
  ];
}

function drainingLines({ set, address, timeout, left }: Living): readonly string[] {
  const time = `timeout ${Math.ceil(timeout)}ms expires ${Math.ceil(left)}ms`;
  return setsOf(set, address).map(({ family, name }) =>
    elementLine(family as Family, name, `${formatIp(address)} ${time}`),
  );
}

function elementLine(family: Family, set: string, element: string): string {
  return `add element ${family} ${VIP_TABLE} ${set} { ${element} }\n`;
}

function interfaceScript(want: Want, have: Have): string {
  const wanted = want.present.flatMap(interfaceChains);
  const common = commonChains().map((chain) => chain.name);
  const ours = have.chains.filter(
    (each) => each.family === "netdev" && each.table === VIP_TABLE && !common.includes(each.name),
  );
  const good = (chain: Chain): boolean =>
    complete(chain, have) &&
    ours.some((each) => each.name === chain.name && each.devices.some((device) => chain.hook?.includes(`"${device}"`)));
  const missing = wanted.filter((chain) => !good(chain));
  const surplus = ours.filter(
    (each) => !wanted.some((chain) => chain.name === each.name) || missing.some((chain) => chain.name === each.name),
  );
  const place = `netdev ${VIP_TABLE}`;
  return [
    ...surplus.map(({ name }) => `flush chain ${place} ${name}\ndelete chain ${place} ${name}\n`),
    ...(missing.length === 0 ? [] : [`table ${place} {\n  ${missing.map(chainText).join("\n  ")}\n}\n`]),
  ].join("");
}

function guardChanges(want: Want, have: Have): readonly Change[] {
  const changes: Change[] = [];
  for (const [place, elements] of guardSets(want.guards)) {
    const [family = "", name = ""] = place.split(" ");
    const set = setRef(family as Family, name);
    const there = have.guarded.get(place) ?? [];
    const wanted = new Map(elements.map((element) => [hex(element.key), element]));
    const added = [...wanted].filter(([key]) => !there.includes(key)).map(([, element]) => element);
    const gone = there.filter((key) => !wanted.has(key)).map((key) => ({ key: octetsOfHex(key) }));
    if (added.length > 0) changes.push({ kind: "add", set, elements: added });
    if (gone.length > 0) changes.push({ kind: "delete", set, elements: gone });
  }
  return changes;
}

/** The version of the rules, so that a daemon that brings others replaces them. */
function comment(): string {
  const text = JSON.stringify([SETS, commonChains(), interfaceChains("x")]);
  return `novaedge fence ${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}

function netdevKey(ip: Ip): string {
  return isIpv4(ip) ? formatIp(ip) : `0x${hex(octetsOfIp(ip))}`;
}

/** An interface's name in the sixteen octets of the kernel's IFNAMSIZ, then the address. */
function homeKey(ifname: string, ip: Ip): Uint8Array {
  const key = new Uint8Array(20);
  key.set(new TextEncoder().encode(ifname).subarray(0, 15), 0);
  key.set(octetsOfIp(ip), 16);
  return key;
}

function octetsOfHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
