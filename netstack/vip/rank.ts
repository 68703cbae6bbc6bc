/**
 * Who of several candidates takes a virtual IP: priority, then the fewest virtual IPs, then a hash that spreads equals
 * (highest random weight), then the name.  A total order that every node computes alike from what was said aloud.
 */
import { type Ip, octetsOfIp } from "../../base/address.ts";

export interface Candidate {
  readonly node: string;
  readonly priority: number;
  readonly load: number;
}

/** Negative: `a` comes first. */
export function compare(a: Candidate, b: Candidate, vip: Ip): number {
  return (
    b.priority - a.priority ||
    a.load - b.load ||
    weight(b.node, vip) - weight(a.node, vip) ||
    (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)
  );
}

export interface Orphan {
  readonly vip: Ip;
  readonly candidates: readonly Candidate[];
}

/**
 * Assigns virtual IPs that became free together, each to its best candidate, counting what was assigned before; so a
 * dead node's many addresses do not all fall on the one that happened to own one less.  Yields each orphan's order.
 */
export function assign(orphans: readonly Orphan[]): ReadonlyMap<Ip, readonly Candidate[]> {
  const extra = new Map<string, number>();
  const orders = new Map<Ip, readonly Candidate[]>();
  const sorted = [...orphans].sort((a, b) => compareIps(a.vip, b.vip));
  for (const { vip, candidates } of sorted) {
    const order = candidates
      .map((each) => ({ ...each, load: each.load + (extra.get(each.node) ?? 0) }))
      .sort((a, b) => compare(a, b, vip));
    const first = order[0];
    if (first !== undefined) extra.set(first.node, (extra.get(first.node) ?? 0) + 1);
    orders.set(vip, order);
  }
  return orders;
}

export interface Claim {
  readonly node: string;
  readonly term: number;
  readonly priority: number;
}
/** Of two owners that hear each other, the later claim keeps; then priority; then the name. */
export function outranks(a: Claim, b: Claim): boolean {
  if (a.term !== b.term) return a.term > b.term;
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.node < b.node;
}

/** A number in [0, 2^32) that depends evenly on both; also the source of deterministic jitter. */
export function weight(text: string, ip: Ip): number {
  let hash = 0x811c9dc5; // FNV-1a, then a finaliser, because FNV's low bits alone are too even
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  for (const octet of octetsOfIp(ip)) hash = Math.imul(hash ^ octet, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function compareIps(a: Ip, b: Ip): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
