/** What is written is what is read, whatever is said; and no octets are too strange. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, type Ipv4, ipOfOctets, masked, type Prefix } from "../../../../base/address.ts";
import { seconds } from "../../../../base/unit.ts";
import type { AsSegment, PathAttributes } from "../../../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../../../netstack/bgp/packet/attributes.ts";
import type { Capability } from "../../../../netstack/bgp/packet/capability.ts";
import { encode } from "../../../../netstack/bgp/packet/codec.ts";
import type { AnyFamily, Family } from "../../../../netstack/bgp/packet/family.ts";
import { Framer } from "../../../../netstack/bgp/packet/framing.ts";
import type { Agreed, Update } from "../../../../netstack/bgp/packet/message.ts";
import { nlriOf } from "../../../../netstack/bgp/packet/nlri.ts";
import { encodeUpdate } from "../../../../netstack/bgp/packet/packing.ts";
import { describe as told } from "../../../../netstack/bgp/packet/text.ts";
import { decodeUpdates, meaning } from "./meaning.ts";
import { EXTERNAL, INTERNAL, OLD, read } from "./octets.ts";

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const asn = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 65536, max: 0xffffffff }));
/** A host address: first octet 1 to 223. */
const host = fc.integer({ min: 0x01000000, max: 0xdfffffff }).map((value) => value as Ipv4);
const global6 = octets(16).map((each) => ipOfOctets(Uint8Array.of(0x20, ...each.subarray(1))));
const linkLocal = octets(8).map((each) => ipOfOctets(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...each)));
const segment: fc.Arbitrary<AsSegment> = fc.record({
  kind: fc.constantFrom("sequence" as const, "set" as const),
  asns: fc.array(asn, { minLength: 1, maxLength: 4 }),
});
const many = <T>(each: fc.Arbitrary<T>) => fc.array(each, { maxLength: 3 });
const large = fc.record({ global: u32, local1: u32, local2: u32 });
function octets(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}
function prefix(family: Family): fc.Arbitrary<Prefix> {
  // Neither multicast nor link-local: those are ignored.
  const [ip, most]: [fc.Arbitrary<Ip>, number] = family === "ipv4" ? [host, 32] : [global6, 128];
  return fc
    .tuple(ip, fc.integer({ min: 0, max: most }))
    .map(([address, length]) => ({ ip: masked(address, length), length }));
}
function attributes(family: Family): fc.Arbitrary<PathAttributes> {
  const nextHop =
    family === "ipv4"
      ? host.map((global) => ({ global, linkLocal: undefined }))
      : fc
          .tuple(fc.option(global6, { nil: undefined }), fc.option(linkLocal, { nil: undefined }))
          .filter(([global, local]) => global !== undefined || local !== undefined)
          .map(([global, local]) => ({ global, linkLocal: local as PathAttributes["nextHop"]["linkLocal"] }));
  const maybe = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
  return fc
    .record({
      origin: fc.constantFrom("igp" as const, "egp" as const, "incomplete" as const),
      asPath: many(segment),
      nextHop,
      med: maybe(u32),
      localPref: maybe(u32),
      atomicAggregate: fc.boolean(),
      aggregator: maybe(fc.record({ asn, address: host })),
      communities: many(u32),
      extendedCommunities: many(fc.record({ high: u32, low: u32 })),
      largeCommunities: fc.uniqueArray(large, { maxLength: 3, selector: (each) => JSON.stringify(each) }),
      originatorId: maybe(host),
      clusterList: many(host),
      unknown: fc.uniqueArray(
        fc.record({
          type: fc.integer({ min: 33, max: 255 }),
          flags: fc.constant(0xe0),
          value: fc.uint8Array({ maxLength: 300 }),
        }),
        { maxLength: 2, selector: ({ type }) => type },
      ),
      partial: fc.constant([]),
    })
    .map(attributesOf);
}
/** Without what such a peer is not told. */
function heard(said: PathAttributes, { peer }: Agreed): PathAttributes {
  return peer === "internal" ? said : { ...said, localPref: undefined, originatorId: undefined, clusterList: [] };
}
function updateOf(family: Family, paths: boolean): fc.Arbitrary<Update> {
  const list = fc
    .tuple(fc.array(prefix(family), { minLength: 1, maxLength: 6 }), fc.array(u32, { minLength: 6, maxLength: 6 }))
    .map(([prefixes, ids]) => nlriOf(family, prefixes, paths ? ids : undefined));
  return fc.tuple(list, list, attributes(family)).map(([nlri, gone, said]) => ({
    kind: "update",
    unreach: [gone],
    reach: [{ nlri, attributes: said }],
    endOfRib: undefined,
    treatment: undefined,
    faults: [],
    skipped: [],
    impossible: [],
  }));
}

describe("UPDATE: decode(encode(x)) says what x says", () => {
  const paths: Agreed = { ...EXTERNAL, addPathReceive: ["ipv4", "ipv6"], addPathSend: ["ipv4", "ipv6"] };
  test.each([
    ["external", EXTERNAL, false],
    ["internal", INTERNAL, false],
    ["two-octet numbers", OLD, false],
    ["several paths", paths, true],
  ] as const)("%s", (_name, agreed, withPaths) => {
    const any = fc.constantFrom("ipv4" as const, "ipv6" as const).chain((family) => updateOf(family, withPaths));
    fc.assert(
      fc.property(any, (update) => {
        const again = decodeUpdates(encodeUpdate(update, agreed), agreed);
        const expected = {
          ...update,
          reach: update.reach.map((each) => ({ ...each, attributes: heard(each.attributes, agreed) })),
        };
        expect(again && meaning(again)).toBe(meaning([expected]));
      }),
      { numRuns: 150 },
    );
  });
  test("equal attributes have equal keys, and others have others", () => {
    const one = fc.constantFrom("ipv4" as const, "ipv6" as const).chain(attributes);
    fc.assert(
      fc.property(one, one, (a, b) => {
        expect(attributesOf({ ...a }).key).toBe(a.key);
        const { key: _a, ...left } = a;
        const { key: _b, ...right } = b;
        expect(a.key === b.key).toBe(told(message(left)) === told(message(right)));
      }),
      { numRuns: 200 },
    );
    function message(said: Omit<PathAttributes, "key">): Update {
      const nlri = nlriOf("ipv4", []);
      return {
        kind: "update",
        unreach: [],
        reach: [{ nlri, attributes: { ...said, key: "" } }],
        endOfRib: undefined,
        treatment: undefined,
        faults: [],
        skipped: [],
        impossible: [],
      };
    }
  });
});

describe("OPEN, NOTIFICATION, ROUTE-REFRESH: decode(encode(x)) = x", () => {
  const family: fc.Arbitrary<AnyFamily> = fc.oneof(
    fc.constantFrom("ipv4" as const, "ipv6" as const),
    fc.tuple(fc.integer({ min: 3, max: 0xffff }), u8).map(([afi, safi]) => `${afi}/${safi}` as const),
  );
  const whole = (most: number) => fc.integer({ min: 0, max: most }).map(seconds);
  const capability: fc.Arbitrary<Capability> = fc.oneof(
    fc.record({ kind: fc.constant("multiprotocol" as const), family }),
    fc.record({ kind: fc.constantFrom("route-refresh" as const, "extended-message" as const) }),
    fc.record({
      kind: fc.constant("extended-next-hop" as const),
      families: many(fc.record({ family, nextHop: fc.constantFrom("ipv4" as const, "ipv6" as const, 25) })),
    }),
    fc.record({
      kind: fc.constant("graceful-restart" as const),
      restarting: fc.boolean(),
      notification: fc.boolean(),
      restartTime: whole(4095),
      families: many(fc.record({ family, forwarding: fc.boolean() })),
    }),
    fc.record({
      kind: fc.constant("add-path" as const),
      families: many(fc.record({ family, can: fc.constantFrom("receive" as const, "send" as const, "both" as const) })),
    }),
    fc.record({
      kind: fc.constant("long-lived-graceful-restart" as const),
      families: many(fc.record({ family, forwarding: fc.boolean(), staleTime: whole(0xffffff) })),
    }),
    fc.record({
      kind: fc.constant("unknown" as const),
      code: fc.integer({ min: 72, max: 255 }),
      value: fc.uint8Array({ maxLength: 90 }),
    }),
  );
  test("OPEN", () => {
    const open = fc
      .tuple(
        asn,
        fc.oneof(
          whole(65535).filter((hold) => hold === 0 || hold >= 3000),
          fc.constant(seconds(0)),
        ),
        u32,
        fc.array(capability, { maxLength: 12 }),
      )
      .map(([own, holdTime, routerId, some]) => ({
        kind: "open" as const,
        asn: own,
        holdTime,
        routerId: (routerId || 1) as Ipv4,
        capabilities: [...some, { kind: "four-octet-asn" as const, asn: own }],
      }));
    fc.assert(
      fc.property(open, (message) => {
        expect(read(encode(message, EXTERNAL))).toEqual({ ok: true, value: message });
      }),
    );
  });
  test("NOTIFICATION, whatever its numbers", () => {
    fc.assert(
      fc.property(u8, u8, fc.uint8Array({ maxLength: 400 }), (code, subcode, data) => {
        const first = read(encode({ kind: "notification", reason: `${code}/${subcode}`, data }, EXTERNAL));
        if (!first.ok || first.value.kind !== "notification") throw new Error("not read");
        expect(read(encode(first.value, EXTERNAL))).toEqual(first);
        expect(first.value.data).toEqual(data);
      }),
    );
  });
  test("ROUTE-REFRESH", () => {
    const what = fc.constantFrom("request" as const, "begin" as const, "end" as const, 9);
    fc.assert(
      fc.property(family, what, (of, how) => {
        const message = { kind: "route-refresh", family: of, what: how } as const;
        const agreed = { ...EXTERNAL, enhancedRouteRefresh: true };
        expect(read(encode(message, agreed), agreed)).toEqual({ ok: true, value: message });
      }),
    );
  });
});

describe("any octets", () => {
  test("are read or refused, and can be told", () => {
    const kinds = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(kinds, fc.uint8Array({ maxLength: 120 }), u16, (kind, body, length) => {
        const bytes = Uint8Array.of(
          ...Array.from({ length: 16 }, () => 255),
          length >>> 8,
          length & 255,
          kind,
          ...body,
        );
        for (const whole of [bytes, bytes.with(16, 0).with(17, bytes.length)]) {
          const found = read(whole);
          if (found.ok) expect(told(found.value)).not.toBe("");
          else expect(found.error.kind).not.toBe("");
        }
      }),
      { numRuns: 500 },
    );
  });
  test("a stream is the same in whatever pieces it comes", () => {
    const body = fc.uint8Array({ maxLength: 40 });
    const messages = fc.array(body, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (bodies, cuts) => {
        const stream = bodies.flatMap((each) => [
          ...encode({ kind: "notification", reason: "6/200", data: each }, EXTERNAL),
        ]);
        const framer = new Framer();
        const seen: string[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const piece = Uint8Array.from(stream.slice(at, at + (cuts[turn % cuts.length] ?? 1)));
          const refused = framer.feed(piece, 0, piece.length, (bytes, start, end) => {
            seen.push(Buffer.from(bytes.subarray(start + 21, end)).toString("hex"));
            return true;
          });
          expect(refused).toBeUndefined();
          piece.fill(0);
          at += piece.length;
        }
        expect(seen).toEqual(bodies.map((each) => Buffer.from(each).toString("hex")));
        expect(framer.waiting).toBe(0);
      }),
    );
  });
});
