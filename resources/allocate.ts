/**
 * Which address of a pool a VIP has: the first free one in numeric order, once and for all.  Pure; the daemon keeps the
 * result in a small file and gives it back at the next call, so that an allocation never moves while its VIP wants one
 * from the same pool.  Hosts of one segment agree as long as they started from the same allocations (none, say) and saw
 * the same files; where that cannot be promised, write addresses.
 */
import * as z from "zod";
import { formatIp, type Ip, isIpv4 } from "../base/address.ts";
import type { Pool, ResourceSet, Vip } from "./kinds.ts";
import { ipOf, numberOf, type Range, rangesOf, within } from "./range.ts";
import { ip } from "./scalar.ts";
import { familiesOf } from "./vip.ts";

/** Contents of the state file: `JSON.stringify(allocations)`, read back by `allocationsFile`. */
const allocation = z.strictObject({
  vip: z.string(),
  family: z.enum(["ipv4", "ipv6"]),
  pool: z.string(),
  address: z.string(),
});
export type Allocation = Readonly<z.output<typeof allocation>>;
export const allocationsFile = z.strictObject({ allocations: z.array(allocation) });

export interface AllocationProblem {
  readonly vip: string;
  readonly code: "POOL_EXHAUSTED" | "POOL_MISSING" | "POOL_OUTSIDE" | "ADDRESS_ALLOCATED";
  readonly message: string;
}
export interface Allocated {
  readonly allocations: readonly Allocation[];
  readonly problems: readonly AllocationProblem[];
}

export function allocate(set: ResourceSet, previous: readonly Allocation[]): Allocated {
  const allocations: Allocation[] = [];
  const problems: AllocationProblem[] = [];
  const taken = new Set<Ip>(set.vips.flatMap(({ spec }) => [spec.address ?? [], spec.ipv6Address ?? []].flat()));
  const kept = new Map(previous.map((each) => [`${each.vip} ${each.family}`, each]));
  const needs = set.vips.flatMap((vip) => wanted(vip).map((family) => ({ vip, family })));
  // All that exists is kept before anything new is given, else a new VIP could take a kept one's address.
  const open = needs.filter(({ vip, family }) => {
    const had = kept.get(`${vip.metadata.name} ${family}`);
    const parsed = had === undefined ? undefined : ip.safeParse(had.address);
    if (had === undefined || parsed?.success !== true || !poolsFor(set, vip).includes(had.pool)) return true;
    const pool = set.pools.find((each) => each.metadata.name === had.pool);
    const problem = (code: AllocationProblem["code"], message: string): void => {
      problems.push({ vip: vip.metadata.name, code, message });
    };
    if (taken.has(parsed.data)) {
      problem("ADDRESS_ALLOCATED", `${had.address} was allocated to this VIP and is now written in another one`);
      return true;
    }
    if (pool !== undefined && !within(rangesOf(pool.spec), parsed.data)) {
      problem("POOL_OUTSIDE", `${had.address} is kept, but no longer in ProxyIPPool ${had.pool}`);
    }
    taken.add(parsed.data);
    allocations.push(had);
    return false;
  });
  for (const { vip, family } of open) {
    const names = poolsFor(set, vip);
    const pools = set.pools.filter((pool) => names.includes(pool.metadata.name));
    const found = firstFree(pools, family === "ipv6", taken);
    if (found === undefined) {
      const where = names.length === 0 ? "no ProxyIPPool assigns by itself" : `in ${names.join(", ")}`;
      const code = pools.length === 0 ? "POOL_MISSING" : "POOL_EXHAUSTED";
      problems.push({ vip: vip.metadata.name, code, message: `no free ${family} address: ${where}` });
      continue;
    }
    taken.add(found.ip);
    allocations.push({ vip: vip.metadata.name, family, pool: found.pool, address: formatIp(found.ip) });
  }
  const key = (each: Allocation): string => `${each.vip} ${each.family}`;
  return { allocations: allocations.sort((a, b) => (key(a) < key(b) ? -1 : 1)), problems };
}

/** Families that a pool must give this VIP. */
function wanted({ spec }: Vip): readonly ("ipv4" | "ipv6")[] {
  const { v4, v6 } = familiesOf(spec);
  return [
    ...(v4 && spec.address === undefined ? (["ipv4"] as const) : []),
    ...(v6 && spec.ipv6Address === undefined ? (["ipv6"] as const) : []),
  ];
}

function poolsFor(set: ResourceSet, { spec }: Vip): readonly string[] {
  if (spec.poolRef !== undefined) return [spec.poolRef.name];
  return set.pools.filter((pool) => pool.spec.autoAssign).map((pool) => pool.metadata.name);
}

function firstFree(
  pools: readonly Pool[],
  v6: boolean,
  taken: ReadonlySet<Ip>,
): { readonly ip: Ip; readonly pool: string } | undefined {
  const used = [...taken].filter((each) => isIpv4(each) !== v6).map(numberOf);
  for (const pool of pools) {
    const ranges = rangesOf(pool.spec).filter((range) => range.v6 === v6);
    for (const range of ranges) {
      const value = firstGap(range, used);
      if (value !== undefined) return { ip: ipOf(value, v6), pool: pool.metadata.name };
    }
  }
  return undefined;
}

/** Walks what is used, not the range: a /64 has no end. */
function firstGap(range: Range, used: readonly bigint[]): bigint | undefined {
  let candidate = range.first;
  for (const value of used.filter((each) => each >= range.first).sort((a, b) => (a < b ? -1 : 1))) {
    if (value > candidate) break;
    if (value === candidate) candidate++;
  }
  return candidate <= range.last ? candidate : undefined;
}

/** How many addresses the pool has, and how many of them are given away; for `novactl get pools`. */
export function poolUse(
  pool: Pool,
  allocations: readonly Allocation[],
): { readonly allocated: number; readonly size: bigint } {
  const size = rangesOf(pool.spec).reduce((sum, range) => sum + (range.last - range.first + 1n), 0n);
  return { allocated: allocations.filter((each) => each.pool === pool.metadata.name).length, size };
}
