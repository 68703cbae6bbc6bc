import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipOfOctets, type Prefix } from "../../../../base/address.ts";
import { join } from "../../../../base/octets.ts";
import {
  encodeMessage,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from "../../../../netstack/kernel/netlink/message.ts";
import {
  encodeDeleteRoute,
  encodeRoute,
  type NewHop,
  type NewRoute,
  RTM_DELROUTE,
  RTM_NEWROUTE,
} from "../../../../netstack/kernel/netlink/route.ts";
import { type RouteOrder, RouteWriter } from "../../../../netstack/kernel/netlink/route-writer.ts";

const ip = (v4: boolean): fc.Arbitrary<Ip> =>
  fc.uint8Array({ minLength: v4 ? 4 : 16, maxLength: v4 ? 4 : 16 }).map(ipOfOctets);
const index = fc.integer({ min: 1, max: 70_000 });

function gateway(v4: boolean): fc.Arbitrary<{ gateway?: Ip; oif?: number; onLink?: boolean }> {
  const either = v4 ? fc.oneof(ip(true), ip(false)) : ip(false);
  return fc.record({ gateway: either, oif: index, onLink: fc.boolean() }, { requiredKeys: [] });
}
function orders(v4: boolean): fc.Arbitrary<RouteOrder> {
  const destination = fc.record({ ip: ip(v4), length: fc.integer({ min: 0, max: v4 ? 32 : 128 }) });
  const base = fc.record({ destination, table: index, protocol: fc.constantFrom(110, 111, 112) });
  const more = fc.record(
    { metric: index, type: fc.constantFrom("unicast", "blackhole", "unreachable" as const) },
    { requiredKeys: [] },
  );
  const hop = fc.tuple(gateway(v4), fc.record({ weight: fc.integer({ min: 1, max: 256 }) }, { requiredKeys: [] }));
  const hops = fc.array(
    hop.map(([a, b]): NewHop => ({ ...a, ...b })),
    { minLength: 1, maxLength: 8 },
  );
  const ways = fc.oneof(
    gateway(v4),
    hops.map((each) => ({ hops: each })),
    ip(v4).map((source) => ({ source })),
  );
  return fc.tuple(base, more, ways, fc.constantFrom("add", "replace", "delete" as const)).map(([a, b, c, kind]) => {
    const route: NewRoute = { ...a, ...b, ...c };
    const { hops: _hops, source: _source, onLink: _onLink, ...old } = route;
    return kind === "delete" ? { kind, route: old } : { kind, route };
  });
}

function slowly(order: RouteOrder, sequence: number, last: boolean): Uint8Array {
  const ack = last ? NLM_F_ACK : 0;
  if (order.kind === "delete")
    return encodeMessage(RTM_DELROUTE, NLM_F_REQUEST | ack, sequence, encodeDeleteRoute(order.route));
  const how = NLM_F_CREATE | (order.kind === "add" ? NLM_F_EXCL : NLM_F_REPLACE);
  return encodeMessage(RTM_NEWROUTE, NLM_F_REQUEST | how | ack, sequence, encodeRoute(order.route));
}

describe("a batch of routes", () => {
  test("is, octet for octet, what the one-by-one encoders say", () => {
    const writer = new RouteWriter();
    fc.assert(
      fc.property(fc.array(fc.oneof(orders(true), orders(false)), { minLength: 1, maxLength: 12 }), (all) => {
        writer.begin();
        for (const [at, order] of all.entries()) expect(writer.put(order, 7 + at)).toBe(true);
        const expected = join(all.map((order, at) => slowly(order, 7 + at, at === all.length - 1)));
        expect(Buffer.from(writer.finish()).toString("hex")).toBe(Buffer.from(expected).toString("hex"));
      }),
    );
  });

  test("says when it is full, and goes on after what was put has been taken", () => {
    const writer = new RouteWriter();
    const destination: Prefix = { ip: ipOfOctets(new Uint8Array(16)), length: 64 };
    const hops = Array.from({ length: 64 }, (_, n) => ({ gateway: destination.ip, oif: n + 1 }));
    const order = { kind: "add", route: { destination, table: 254, protocol: 111, hops } } as const;
    writer.begin();
    let count = 0;
    while (writer.put(order, count)) count++;
    expect(count).toBeGreaterThan(10);
    expect(writer.finish().length).toBeLessThanOrEqual(65_536);
    writer.begin();
    expect(writer.put(order, 0)).toBe(true);
    const endless = { ...order, route: { ...order.route, hops: Array.from({ length: 4000 }, () => ({ oif: 1 })) } };
    writer.begin();
    expect(() => writer.put(endless, 0)).toThrow(TypeError);
  });

  test("an IPv4 gateway of an IPv6 route is a bug of the caller", () => {
    const destination: Prefix = { ip: ipOfOctets(new Uint8Array(16)), length: 64 };
    const route = { destination, table: 254, protocol: 111, gateway: ipOfOctets(new Uint8Array(4)) };
    expect(() => new RouteWriter().put({ kind: "add", route }, 0)).toThrow(TypeError);
  });
});
