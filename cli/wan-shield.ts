/** Loss shields, below the table of `novactl wan policies`: which paths have one now, and what it has cost. */
import type { WanPolicyStatus } from "../daemon/admin/wan-api.ts";
import type { Io } from "./command.ts";
import { ageOf, table, toned } from "./output.ts";
import { sizeOf } from "./wan-figures.ts";

/** Empty: no policy wants one. */
export function shieldTable(io: Io, policies: readonly WanPolicyStatus[]): string {
  const rows = policies.flatMap(({ name, shield }) => {
    if (shield === undefined) return [];
    const { aboveLoss, active, copies, duplicates } = shield;
    const own = [
      name,
      aboveLoss === undefined ? undefined : `${aboveLoss}%`,
      copies.packets,
      sizeOf(copies.octets),
      duplicates.packets,
    ];
    if (active.length === 0) return [[...own, toned("ready", "dim"), undefined, undefined, undefined, undefined]];
    return active.map(({ path, second, since, why }, index) => [
      ...(index === 0 ? own : ["", "", "", "", ""]),
      second === undefined ? toned("needed", "bad") : toned("shielded", "warn"),
      ageOf(io.now() - since),
      path,
      second,
      why,
    ]);
  });
  if (rows.length === 0) return "";
  const heads = ["SHIELD OF", "ABOVE", "COPIES", "SIZE", "DROPPED", "STATE", "FOR", "PATH", "COPIES BY", "WHY"];
  return table(io, heads, rows);
}
