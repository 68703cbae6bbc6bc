/**
 * Networks and ranges of numbers without overlaps, as nftables wants them in a set: it refuses one that holds the same
 * address twice.  Pure.
 */
import { contains, formatPrefix, type Ip, isIpv4, type Prefix, parsePrefix } from "../../base/address.ts";

export interface Networks {
  readonly v4: readonly Prefix[];
  readonly v6: readonly Prefix[];
}

/** Of texts that were checked before; what lies in another one is left out. */
export function networksOf(texts: readonly string[]): Networks {
  const all = texts.map((text) => {
    const parsed = parsePrefix(text);
    if (!parsed.ok) throw new TypeError(`not a network: ${text}`);
    return parsed.value;
  });
  return { v4: widest(all.filter(({ ip }) => isIpv4(ip))), v6: widest(all.filter(({ ip }) => !isIpv4(ip))) };
}

/** "{ 10.0.0.0/8, 192.0.2.1/32 }" */
export function prefixSet(prefixes: readonly Prefix[]): string {
  return braces(prefixes.map(formatPrefix));
}

export type Span = readonly [first: number, last: number];

export function joinedSpans(spans: readonly Span[]): readonly Span[] {
  const out: [number, number][] = [];
  for (const [first, last] of spans.toSorted((a, b) => a[0] - b[0])) {
    const before = out.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else out.push([first, last]);
  }
  return out;
}

export function spanSet(spans: readonly Span[]): string {
  return braces(joinedSpans(spans).map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)));
}

export function numberSet(numbers: readonly number[]): string {
  return braces([...new Set(numbers)].map(String));
}

export function braces(elements: readonly string[]): string {
  return `{ ${elements.join(", ")} }`;
}

function widest(prefixes: readonly Prefix[]): readonly Prefix[] {
  const out: Prefix[] = [];
  for (const prefix of prefixes.toSorted((a, b) => a.length - b.length)) {
    if (!out.some((wider) => contains(wider, prefix.ip))) out.push(prefix);
  }
  return out;
}

export function isWithin({ v4, v6 }: Networks, ip: Ip): boolean {
  return (isIpv4(ip) ? v4 : v6).some((prefix) => contains(prefix, ip));
}
