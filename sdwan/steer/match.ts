/**
 * What a traffic class matches, as expressions of nftables: each line is one way of belonging to the class.  Pure.  The
 * same list of classes is evaluated without a kernel by classify.ts, and a test holds the two together.
 */
import type { ClassMatch } from "../underlay-plan.ts";
import { type Networks, networksOf, numberSet, prefixSet, spanSet } from "./spans.ts";

/** `hosts`: names of the sets that hold the addresses of the class's host names, by family. */
export function matchLines(match: ClassMatch, hosts: { readonly v4: string; readonly v6: string }): readonly string[] {
  const before = [
    ...(match.interfaces.length === 0 ? [] : [`iifname ${interfaceSet(match.interfaces)}`]),
    ...(match.users.length === 0 ? [] : [`meta skuid ${numberSet(match.users)}`]),
  ];
  const sources = networksOf(match.sources);
  const destinations = networksOf(match.destinations);
  const codes = [...match.dscp, ...match.proxied];
  if (match.sources.length + match.destinations.length + match.hosts.length + codes.length === 0) {
    const lines = transports(match, [ICMP, ICMP6]);
    return lines.map((transport) => [...before, ...transport].join(" "));
  }
  return (["v4", "v6"] as const).flatMap((family): readonly string[] => {
    const ip = family === "v4" ? "ip" : "ip6";
    const from = networks(`${ip} saddr`, match.sources, sources, family);
    const to = networks(`${ip} daddr`, match.destinations, destinations, family);
    if (from === undefined || to === undefined) return [];
    const named = match.hosts.length === 0 ? [] : [`${ip} daddr @${hosts[family]}`];
    // Two fields that look at the same octets: the packet must satisfy both.
    const dscp = [match.dscp, match.proxied]
      .filter((each) => each.length > 0)
      .map((each) => `${ip} dscp ${numberSet(each)}`);
    // Without an expression that names the family a line would be for both.
    const own =
      from.length + to.length + named.length + dscp.length === 0
        ? [`meta nfproto ${family === "v4" ? "ipv4" : "ipv6"}`]
        : [];
    return transports(match, [family === "v4" ? ICMP : ICMP6]).map((transport) =>
      [...own, ...from, ...to, ...named, ...dscp, ...before, ...transport].join(" "),
    );
  });
}

/** IANA numbers of what a class calls "tcp", "udp", "icmp", or by a number. */
export function protocolNumbers(names: readonly string[], icmp: readonly number[]): readonly number[] {
  return [...new Set(names.flatMap((name) => (name === "icmp" ? icmp : [protocolNumber(name)])))];
}

export function protocolName(number: number | undefined): string {
  if (number === undefined) return "unknown";
  return ({ [TCP]: "tcp", [UDP]: "udp", [ICMP]: "icmp", [ICMP6]: "icmp" } as const)[number] ?? String(number);
}

export function interfaceText(ifname: string): string {
  // A trailing asterisk would be a wildcard.
  if (!/^[^"\s/*\\]{1,15}$/.test(ifname)) throw new TypeError(`not an interface's name: ${ifname}`);
  return `"${ifname}"`;
}
export function interfaceSet(ifnames: readonly string[]): string {
  return `{ ${[...new Set(ifnames)].map(interfaceText).join(", ")} }`;
}

/** undefined: the family has no such address, so nothing of it matches. */
function networks(
  field: string,
  wanted: readonly string[],
  all: Networks,
  family: "v4" | "v6",
): readonly string[] | undefined {
  if (wanted.length === 0) return [];
  return all[family].length === 0 ? undefined : [`${field} ${prefixSet(all[family])}`];
}

/** None or one line's part; no line at all when ports are asked for and no protocol has them. */
function transports(match: ClassMatch, icmp: readonly number[]): readonly (readonly string[])[] {
  const numbers = protocolNumbers(match.protocols, icmp);
  if (match.ports.length === 0) return [match.protocols.length === 0 ? [] : [`meta l4proto ${numberSet(numbers)}`]];
  const ported = match.protocols.length === 0 ? PORTED : numbers.filter((each) => PORTED.includes(each));
  if (ported.length === 0) return [];
  return [[`meta l4proto ${numberSet(ported)}`, `th dport ${spanSet(match.ports)}`]];
}

function protocolNumber(name: string): number {
  if (name === "tcp") return TCP;
  if (name === "udp") return UDP;
  const number = Number(name);
  if (!Number.isInteger(number) || number < 0 || number > 255) throw new TypeError(`not a protocol: ${name}`);
  return number;
}

export const TCP = 6;
export const UDP = 17;
const ICMP = 1;
const ICMP6 = 58;
/** The protocols whose ports a class may name. */
export const PORTED: readonly number[] = [TCP, UDP];
