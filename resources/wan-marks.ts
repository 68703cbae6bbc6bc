/**
 * Which lane has which value of the mark: the lowest free one, once and for all.  Pure; the daemon keeps the list and gives
 * it back at the next call.  A lane that goes keeps its value until all others are taken: flows may still carry it, and
 * the class that somebody removed may come back.
 */
import * as z from "zod";

const kept = z.strictObject({ key: z.string(), value: z.int().min(1) });
export type KeptMark = Readonly<z.output<typeof kept>>;
/** Contents of the state file. */
export const marksFile = z.strictObject({ marks: z.array(kept) });

/** In the answer the wanted ones come last, so that the first is the one that was left longest ago. */
export function allocateMarks(keys: readonly string[], before: readonly KeptMark[], most: number): readonly KeptMark[] {
  const wanted = new Set(keys);
  const known = new Map<string, number>();
  const taken = new Set<number>();
  for (const { key, value } of before) {
    if (value > most || taken.has(value) || known.has(key)) continue;
    known.set(key, value);
    taken.add(value);
  }
  const left = [...known].filter(([key]) => !wanted.has(key));
  const values = [...wanted].flatMap((key): readonly KeptMark[] => {
    const own = known.get(key);
    const value = own ?? lowestFree(taken, most) ?? left.shift()?.[1];
    if (value === undefined) return [];
    taken.add(value);
    return [{ key, value }];
  });
  return [...left.map(([key, value]) => ({ key, value })), ...values];
}

function lowestFree(taken: ReadonlySet<number>, most: number): number | undefined {
  for (let value = 1; value <= most; value++) if (!taken.has(value)) return value;
  return undefined;
}
