/**
 * Malformed UPDATE messages, for whoever has to find out why: RFC 7606 §6 asks for the prefixes and the whole message in
 * the log.  Of one peer the first is told, then the second, the fourth, the eighth …: one that sends nothing else fills no
 * log, and one that does it once a day is still heard of.
 */
import { formatPrefix } from "../../base/address.ts";
import { hex } from "../../base/octets.ts";
import { type Core, event, type Peer } from "./core.ts";
import type { Refused, Update } from "./packet/message.ts";
import { eachPrefix, prefixAt } from "./packet/nlri.ts";
import { faultText, refusedText } from "./packet/text.ts";

/** `bytes` from `start` to `end`: the message. */
export function malformedUpdate(
  core: Core,
  peer: Peer,
  found: Update | Refused,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const isUpdate = found.kind === "update";
  if (isUpdate && found.faults.length === 0) return;
  const count = ++peer.malformed;
  if ((count & (count - 1)) !== 0) return;
  event(core, "warn", "bgp.malformed-update", {
    peer: peer.name,
    count,
    why: isUpdate ? found.faults.map(faultText).join("; ") : refusedText(found),
    ...(isUpdate ? { prefixes: prefixesIn(found) } : {}),
    octets: hex(bytes.subarray(start, Math.min(end, start + MOST_OCTETS))),
  });
}

function prefixesIn({ unreach, reach }: Update): readonly string[] {
  const texts: string[] = [];
  for (const list of [...unreach, ...reach.map(({ nlri }) => nlri)])
    eachPrefix(list, (octets, at, bits) => {
      if (texts.length < MOST_PREFIXES) texts.push(formatPrefix(prefixAt(octets, at, bits, list.family)));
    });
  return texts;
}

const MOST_PREFIXES = 100;
/** An extended message is cut: a line of a log is not 128 KiB. */
const MOST_OCTETS = 4096;
