/**
 * Nanoseconds of CPU (of the thread) per prefix of BGP's codec: written, and framed, read and looked up, from a stream of 64 KiB reads; with
 * one set of attributes for all, for every eighth prefix, and for each prefix.  `node bench/micro/bgp.ts`; medians of
 * rounds.
 */
import { ipv4, ipv6 } from "../../base/address.ts";
import type { PathAttributes } from "../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../netstack/bgp/packet/attributes.ts";
import { BEFORE_OPEN, decode } from "../../netstack/bgp/packet/codec.ts";
import type { Family } from "../../netstack/bgp/packet/family.ts";
import { Framer } from "../../netstack/bgp/packet/framing.ts";
import { Interner } from "../../netstack/bgp/packet/interner.ts";
import type { Agreed } from "../../netstack/bgp/packet/message.ts";
import { eachPrefix } from "../../netstack/bgp/packet/nlri.ts";
import { UpdateWriter } from "../../netstack/bgp/packet/packing.ts";
import { type PrefixId, PrefixTable } from "../../netstack/bgp/prefixes.ts";

const ROUNDS = 9;
const PREFIXES = 100_000;
const READ = 65_536;
const agreed: Agreed = { ...BEFORE_OPEN, fourOctetAsn: true, families: ["ipv4", "ipv6"] };

for (const family of ["ipv4", "ipv6"] as const) {
  const table = new PrefixTable(family);
  const ids = Array.from({ length: PREFIXES }, (_, index) => table.id(prefix(family, index)));
  for (const each of [PREFIXES, 8, 1]) {
    const sets = Array.from({ length: Math.ceil(PREFIXES / each) }, (_, index) => attributes(family, index));
    const stream = Buffer.concat(write(table, ids, sets, each));
    report(`${family}, ${sets.length} sets: write`, () => write(table, ids, sets, each));
    report(`${family}, ${sets.length} sets: read`, () => read(table, stream));
  }
}

function write(
  table: PrefixTable,
  ids: readonly PrefixId[],
  sets: readonly PathAttributes[],
  each: number,
): readonly Uint8Array[] {
  const writer = new UpdateWriter();
  const messages: Uint8Array[] = [];
  sets.forEach((set, index) => {
    writer.announce(set, table.family, agreed);
    for (const id of ids.slice(index * each, (index + 1) * each)) {
      if (!writer.fits(table.wireLength(id))) {
        messages.push(writer.finish());
        writer.announce(set, table.family, agreed);
      }
      writer.at = table.write(id, writer.bytes, writer.at);
    }
    messages.push(writer.finish());
  });
  return messages;
}

function read(table: PrefixTable, stream: Uint8Array): void {
  const framer = new Framer();
  const interner = new Interner();
  let found = 0;
  for (let at = 0; at < stream.length; at += READ)
    framer.feed(stream, at, Math.min(stream.length, at + READ), (bytes, start, end) => {
      const message = decode(bytes, start, end, agreed, interner);
      if (!message.ok || message.value.kind !== "update") throw new TypeError("what we wrote cannot be read");
      for (const { nlri } of message.value.reach)
        eachPrefix(nlri, (octets, from, bits) => {
          if (table.idOfWire(octets, from, bits) !== 0) found++;
        });
      return true;
    });
  if (found !== PREFIXES) throw new TypeError(`${found} of ${PREFIXES} prefixes`);
}

function prefix(family: Family, index: number) {
  if (family === "ipv4") return { ip: ipv4(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`), length: 32 };
  return { ip: ipv6(`2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::`), length: 64 };
}
function attributes(family: Family, med: number): PathAttributes {
  return attributesOf({
    origin: "igp",
    asPath: [{ kind: "sequence", asns: [65001, 65002, 4200000001] }],
    nextHop: { global: family === "ipv4" ? ipv4("192.0.2.1") : ipv6("2001:db8::1"), linkLocal: undefined },
    med,
    localPref: undefined,
    atomicAggregate: false,
    aggregator: undefined,
    communities: [0xfde80001, 0xffffff01],
    extendedCommunities: [],
    largeCommunities: [{ global: 65001, local1: 1, local2: 2 }],
    originatorId: undefined,
    clusterList: [],
    unknown: [],
    partial: [],
  });
}

function report(what: string, run: () => void): void {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = process.threadCpuUsage();
    run();
    const { user, system } = process.threadCpuUsage(start);
    return ((user + system) * 1000) / PREFIXES;
  }).toSorted((a, b) => a - b);
  console.log(`${what.padEnd(32)} ${(rounds[ROUNDS >> 1] ?? 0).toFixed(0).padStart(8)} ns`);
}
