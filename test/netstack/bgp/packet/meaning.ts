/** What an UPDATE means, as text to be compared: whatever order, grouping or encoding it came in. */
import { formatPrefix } from "../../../../base/address.ts";
import { PARTIAL } from "../../../../netstack/bgp/packet/attribute.ts";
import { decode } from "../../../../netstack/bgp/packet/codec.ts";
import { Interner } from "../../../../netstack/bgp/packet/interner.ts";
import type { Agreed, Update } from "../../../../netstack/bgp/packet/message.ts";
import { type Nlri, pathIdsOf, prefixesOf } from "../../../../netstack/bgp/packet/nlri.ts";
import { pathText } from "../../../../netstack/bgp/packet/path.ts";

export function meaning(updates: readonly Update[]): string {
  const gone: string[] = [];
  const there: string[] = [];
  const ends: string[] = [];
  for (const { unreach, reach, endOfRib } of updates) {
    for (const nlri of unreach) gone.push(...routes(nlri));
    for (const { nlri, attributes } of reach) {
      const { key: _key, asPath, unknown, partial, ...rest } = attributes;
      const passedOn = unknown.map((each) => ({ ...each, flags: each.flags | PARTIAL, value: [...each.value] }));
      const said = JSON.stringify(
        { ...rest, path: pathText(asPath), unknown: passedOn, partial: partial.map(String).toSorted() },
        sorted,
      );
      there.push(...routes(nlri).map((route) => `${route} ${said}`));
    }
    if (endOfRib !== undefined) ends.push(endOfRib);
  }
  // Said twice is said once; of several about one prefix the order matters, which one message cannot contain.
  return (
    [...new Set(gone)].toSorted().join("\n") + "\n--\n" + [...new Set(there)].toSorted().join("\n") + "\n--\n" + ends
  );
}

/** Whole messages, all of them good UPDATEs; else undefined. */
export function decodeUpdates(messages: readonly Uint8Array[], agreed: Agreed): readonly Update[] | undefined {
  const interner = new Interner();
  const updates: Update[] = [];
  for (const message of messages) {
    const read = decode(message, 0, message.length, agreed, interner);
    if (!read.ok || read.value.kind !== "update" || read.value.faults.length > 0) return undefined;
    updates.push(read.value);
  }
  return updates;
}

function routes(nlri: Nlri): readonly string[] {
  const ids = pathIdsOf(nlri);
  return prefixesOf(nlri).map((prefix, index) => `${formatPrefix(prefix)} #${ids[index]}`);
}
function sorted(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
