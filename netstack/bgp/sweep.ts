/** Frees numbers that nothing uses any more: attribute sets and prefixes.  What is remembered by them goes with them. */
import type { Core } from "./core.ts";
import { FAMILIES } from "./packet/family.ts";

export function sweepTables(core: Core): void {
  const used = new Uint8Array(core.store.bound);
  for (const family of FAMILIES) core.ribs[family].paths.mark(used);
  for (const { up } of core.peers.values()) for (const { out } of up?.families.values() ?? []) out.mark(used);
  core.store.sweep(used);
  for (const family of FAMILIES) {
    const rib = core.ribs[family];
    // Worth it only when most prefixes have no path.
    if (rib.table.live < WORTH || rib.paths.live * 2 > rib.table.live) continue;
    const outs = [...core.peers.values()].flatMap(({ up }) => up?.families.get(family)?.out ?? []);
    rib.table.sweep(
      (prefix) => rib.isUsed(prefix) || core.fib.isUsed(family, prefix) || outs.some((out) => out.isUsed(prefix)),
    );
  }
}

/** Most prefixes have no path: they were many, and are no more. */
export function isSparse({ ribs }: Core): boolean {
  return FAMILIES.some((family) => {
    const { table, paths } = ribs[family];
    return table.live >= WORTH && paths.live * 2 <= table.live;
  });
}

const WORTH = 4096;
