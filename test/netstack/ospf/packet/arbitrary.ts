/** Packets and LSAs of all kinds, for properties. */
import fc from "fast-check";
import { type Ip, type Ipv4, type Ipv6, ipOfOctets, masked, type Prefix } from "../../../../base/address.ts";
import type {
  Lsa,
  LsaBody,
  LsaHeader,
  PrefixEntry,
  RouterLink,
  Version,
} from "../../../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../../../netstack/ospf/packet/lsa-encode.ts";
import type { Packet } from "../../../../netstack/ospf/packet/packet.ts";

const id = fc.nat(0xffffffff);
const nonZero = fc.integer({ min: 1, max: 0xffffffff });
const u24 = fc.nat(0xffffff);
const u16 = fc.nat(0xffff);
const u8 = fc.nat(0xff);
const optionsOf = (version: Version): fc.Arbitrary<number> => (version === 2 ? u8 : u24);
const ip4 = nonZero as fc.Arbitrary<Ipv4>;
const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((octets) => ipOfOctets(octets) as Ipv6);

export function prefixes(version: Version): fc.Arbitrary<Prefix> {
  const address: fc.Arbitrary<Ip> = version === 2 ? ip4 : ip6;
  return fc.record({ address, length: fc.nat(version === 2 ? 32 : 128) }).map(({ address: ip, length }) => ({
    ip: masked(ip, length),
    length,
  }));
}

function entries(): fc.Arbitrary<readonly PrefixEntry[]> {
  return fc.array(fc.record({ prefix: prefixes(3), prefixOptions: u8, metric: u16 }), { maxLength: 4 });
}

function links(version: Version): fc.Arbitrary<readonly RouterLink[]> {
  const types: readonly RouterLink["type"][] = [
    "point-to-point",
    "transit",
    "virtual",
    ...(version === 2 ? (["stub"] as const) : []),
  ];
  return fc.array(
    fc.record({
      type: fc.constantFrom(...types),
      metric: u16,
      id,
      data: id,
      neighborInterfaceId: version === 2 ? fc.constant(0) : id,
    }),
    { maxLength: 5 },
  );
}

/** Bodies with their prefix in the link state ID where version 2 has it there. */
export function bodies(version: Version): fc.Arbitrary<{ readonly body: LsaBody; readonly id: number }> {
  const v2 = version === 2;
  const options = v2 ? fc.constant(0) : u24;
  const flag = fc.boolean();
  const metric = u24;
  const prefixOptions = v2 ? fc.constant(0) : u8;
  const router = fc.record({
    border: flag,
    external: flag,
    virtual: flag,
    translator: flag,
    options,
    links: links(version),
  });
  const external = fc.record({
    prefix: prefixes(version),
    prefixOptions,
    metricType: fc.constantFrom<1 | 2>(1, 2),
    metric,
    forwarding: fc.option<Ip, undefined>(v2 ? ip4 : ip6, { nil: undefined }),
    tag: id,
    referenced: v2
      ? fc.constant(undefined)
      : fc.option(fc.record({ type: fc.integer({ min: 1, max: 0xffff }), id }), { nil: undefined }),
  });
  const withId = (prefix: Prefix | undefined, other: number): number =>
    v2 && prefix !== undefined ? (prefix.ip as Ipv4) : other;
  const all: fc.Arbitrary<{ readonly body: LsaBody; readonly id: number }>[] = [
    fc.tuple(router, id).map(([body, own]) => ({ body: { kind: "router", ...body }, id: own })),
    fc
      .record({
        prefix: v2 ? prefixes(2) : fc.constant(undefined),
        options,
        routers: fc.array(id, { maxLength: 4 }),
        own: id,
      })
      .map(({ prefix, options: opts, routers, own }) => ({
        body: { kind: "network", prefix, options: opts, routers },
        id: withId(prefix, own),
      })),
    fc
      .record({ prefix: prefixes(version), prefixOptions, metric, own: id })
      .map(({ own, ...body }) => ({ body: { kind: "inter-area-prefix", ...body }, id: withId(body.prefix, own) })),
    fc
      .record({ router: id, metric, options })
      .map((body) => ({ body: { kind: "inter-area-router", ...body }, id: body.router })),
    fc
      .tuple(fc.constantFrom<"external" | "nssa">("external", "nssa"), external, id)
      .map(([kind, body, own]) => ({ body: { kind, ...body }, id: withId(body.prefix, own) })),
    fc
      .record({
        period: id,
        reason: fc.constantFrom("unknown", "software-restart", "software-upgrade", "switch-to-redundant"),
        address: fc.option(ip4, { nil: undefined }),
      })
      .map((body) => ({ body: { kind: "grace", ...body }, id: v2 ? 0x03000000 : 7 })),
  ];
  if (!v2) {
    all.push(
      fc.record({ priority: u8, options: u24, address: ip6, prefixes: entries() }).map((body) => ({
        body: { kind: "link", ...body, prefixes: body.prefixes.map((each) => ({ ...each, metric: 0 })) },
        id: 5,
      })),
      fc
        .record({ referenced: fc.record({ type: u16, id, advertisingRouter: id }), prefixes: entries() })
        .map((body) => ({ body: { kind: "intra-area-prefix", ...body }, id: 0 })),
    );
  }
  return fc.oneof(...all);
}

export function lsas(version: Version): fc.Arbitrary<{ readonly lsa: Lsa; readonly body: LsaBody }> {
  const sequence = fc.integer({ min: -0x7fffffff, max: 0x7fffffff });
  const header = fc.record({ advertisingRouter: id, age: u16, options: version === 2 ? u8 : fc.constant(0), sequence });
  return fc
    .tuple(header, bodies(version))
    .map(([head, { body, id: own }]) => ({ body, lsa: encodeLsa(version, { ...head, id: own }, body) }));
}

export function packets(): fc.Arbitrary<Packet> {
  return fc.constantFrom<Version>(2, 3).chain((version) => {
    const v2 = version === 2;
    const head = { version: fc.constant(version), routerId: nonZero, areaId: id, instanceId: v2 ? fc.constant(0) : u8 };
    const options = optionsOf(version);
    const headers = fc.array(
      lsas(version).map(({ lsa }): LsaHeader => lsa.header),
      { maxLength: 4 },
    );
    const keys = fc.record({ type: v2 ? id : u16, id, advertisingRouter: id });
    return fc.oneof<fc.Arbitrary<Packet>[]>(
      fc.record({
        kind: fc.constant("hello" as const),
        ...head,
        maskLength: v2 ? fc.nat(32) : fc.constant(undefined),
        interfaceId: v2 ? fc.constant(0) : id,
        options,
        helloInterval: u16,
        deadInterval: v2 ? id : u16,
        priority: u8,
        dr: id,
        bdr: id,
        neighbors: fc.array(id, { maxLength: 6 }),
      }),
      fc.record({
        kind: fc.constant("database-description" as const),
        ...head,
        mtu: u16,
        options,
        init: fc.boolean(),
        more: fc.boolean(),
        master: fc.boolean(),
        sequence: id,
        headers,
      }),
      fc.record({ kind: fc.constant("request" as const), ...head, wanted: fc.array(keys, { maxLength: 5 }) }),
      fc.record({
        kind: fc.constant("update" as const),
        ...head,
        lsas: fc.array(
          lsas(version).map(({ lsa }) => lsa),
          { maxLength: 4 },
        ),
      }),
      fc.record({ kind: fc.constant("acknowledgement" as const), ...head, headers }),
    );
  });
}
