/** The netlink codecs: nothing that comes in can make them throw, and what they write they read. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4, ipv6, type Mac, parsePrefix } from "../../../../base/address.ts";
import { hex, join } from "../../../../base/octets.ts";
import { ms } from "../../../../base/unit.ts";
import { decodeAddress, encodeAddress } from "../../../../netstack/kernel/netlink/address.ts";
import { attribute, attributeU32, decodeAttributes, nested } from "../../../../netstack/kernel/netlink/attribute.ts";
import { decodeLink, encodeNewLink } from "../../../../netstack/kernel/netlink/link.ts";
import { decodeMessages, decodeVerdict, encodeMessage } from "../../../../netstack/kernel/netlink/message.ts";
import { decodeNeighbour, encodeNeighbour } from "../../../../netstack/kernel/netlink/neighbour.ts";
import { decodeElements, encodeBatch, placing, stamp } from "../../../../netstack/kernel/netlink/nftables-elements.ts";
import {
  decodeChain,
  decodeRule as decodeNftRule,
  decodeTable,
} from "../../../../netstack/kernel/netlink/nftables-objects.ts";
import { text, u16, u32 } from "../../../../netstack/kernel/netlink/octets.ts";
import { decodeRoute, encodeRoute } from "../../../../netstack/kernel/netlink/route.ts";
import { decodeRule, encodeRule } from "../../../../netstack/kernel/netlink/rule.ts";
import { decodeFlow } from "../../../../netstack/kernel/netlink/socket-diag.ts";
import { decodeChanges } from "../../../../netstack/kernel/netlink/watch.ts";

const DECODERS = {
  decodeMessages,
  decodeAttributes,
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodeRule,
  decodeNeighbour,
  decodeElements,
  decodeTable,
  decodeChain,
  decodeNftRule,
  decodeFlow,
} as const;

function prefix(of: string): { readonly ip: ReturnType<typeof ipv4>; readonly length: number } {
  const parsed = parsePrefix(of);
  if (!parsed.ok) throw new TypeError(of);
  return parsed.value as never;
}

describe("decoders survive any octets", () => {
  test.each(Object.entries(DECODERS))("%s", (_name, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(typeof decode(bytes).ok).toBe("boolean");
      }),
      { numRuns: 2000 },
    );
  });

  test("and mutated messages: a right one with octets changed, cut or repeated", () => {
    const good = [
      encodeAddress({
        ip: ipv4("192.0.2.1"),
        prefixLength: 24,
        index: 3,
        label: "e0",
        protocol: 110,
        noPrefixRoute: true,
      }),
      encodeNeighbour({ ip: ipv6("2001:db8::1"), index: 3, mac: 0x020304050607 as Mac, state: "permanent" }),
      encodeRoute({
        destination: prefix("192.0.2.0/24"),
        table: 1000,
        protocol: 110,
        gateway: ipv4("10.0.0.1"),
        oif: 2,
      }),
      encodeRule({ family: "ip", preference: 11_000, table: 1000, protocol: 110, mark: 1, mask: 3 }),
      encodeNewLink({ name: "nv0" }, { kind: "veth", peer: { name: "nv1" } }),
    ];
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
        fc.nat(200),
        (which, edits, cut) => {
          const bytes = (good[which] ?? new Uint8Array(0)).slice();
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          for (const payload of [bytes, bytes.subarray(0, cut), join([bytes, bytes])]) {
            for (const decode of Object.values(DECODERS)) decode(payload);
            for (const type of [16, 20, 24, 28, 32]) decodeChanges(encodeMessage(type, 0, 1, payload));
            for (const message of [0x200, 0x300].map((flags) => ({ type: 2, flags, sequence: 1, port: 0, payload }))) {
              decodeVerdict(message);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("RFC 3549 §2.3: messages", () => {
  test("several in one datagram, padded to four octets", () => {
    const datagram = join([
      encodeMessage(16, 1, 7, text("abc")),
      encodeMessage(17, 2, 8, text("ab")),
      encodeMessage(3, 0, 9),
    ]);
    const messages = decodeMessages(datagram);
    expect(
      messages.ok &&
        messages.value.map(({ type, flags, sequence, payload }) => [type, flags, sequence, payload.length]),
    ).toEqual([
      [16, 1, 7, 4],
      [17, 2, 8, 3],
      [3, 0, 9, 0],
    ]);
  });

  test("one vector per refusal", () => {
    expect(decodeMessages(new Uint8Array(8))).toEqual({
      ok: false,
      error: { kind: "short", what: "message header", have: 8, need: 16 },
    });
    const long = encodeMessage(16, 0, 1);
    long[0] = 200;
    expect(decodeMessages(long)).toEqual({
      ok: false,
      error: { kind: "bad-length", what: "message", length: 200, room: 16 },
    });
    expect(decodeAttributes(join([u16(3), u16(1)]))).toEqual({
      ok: false,
      error: { kind: "bad-length", what: "attribute", length: 3, room: 4 },
    });
    expect(decodeLink(new Uint8Array(4))).toMatchObject({ ok: false, error: { kind: "short", what: "ifinfomsg" } });
    expect(decodeAddress(new Uint8Array(8))).toMatchObject({
      ok: false,
      error: { kind: "bad-value", what: "address" },
    });
    const rule = encodeRule({ family: "ip", preference: 1, table: 254, protocol: 110 });
    expect(decodeRule(join([rule, attribute(1, new Uint8Array(16))]))).toMatchObject({
      ok: false,
      error: { kind: "bad-value", what: "prefix in attribute 1" },
    });
    const short = join([rule, attribute(10, u16(1))]);
    expect(decodeRule(short)).toMatchObject({ ok: false, error: { kind: "bad-value", what: "attribute 10" } });
  });

  test("extended acknowledgement: the kernel's words and the place", () => {
    const words = [attribute(1, text("Invalid prefix length")), attributeU32(2, 20)];
    const capped = join([u32(-22), u32(40), u16(20), u16(5), u32(9), u32(0), ...words]);
    const message = { type: 2, flags: 0x300, sequence: 9, port: 0, payload: capped };
    expect(decodeVerdict(message)).toEqual({
      ok: true,
      value: { errno: 22, text: "Invalid prefix length", offset: 20, about: 9 },
    });
    // Not capped: the request is repeated whole between the error and the words.
    const whole = join([u32(-22), encodeMessage(20, 5, 9, u32(1)), ...words]);
    expect(decodeVerdict({ ...message, flags: 0x200, payload: whole })).toMatchObject({
      ok: true,
      value: { errno: 22, text: "Invalid prefix length" },
    });
  });
});

describe("what is encoded is decoded", () => {
  test("addresses, with flags beyond eight bits", () => {
    const bytes = encodeAddress({
      ip: ipv6("2001:db8::1"),
      prefixLength: 64,
      index: 7,
      protocol: 110,
      noDad: true,
      noPrefixRoute: true,
    });
    expect(decodeAddress(bytes)).toMatchObject({
      ok: true,
      value: { ip: "2001:db8::1", prefixLength: 64, index: 7, protocol: 110, flags: 0x202, noPrefixRoute: true },
    });
  });

  test("routes of both families and tables beyond eight bits", () => {
    const route = {
      destination: prefix("198.51.100.0/24"),
      table: 70_000,
      protocol: 110,
      metric: 50,
      gateway: ipv4("192.0.2.1"),
      oif: 4,
    };
    expect(decodeRoute(encodeRoute(route))).toMatchObject({
      ok: true,
      value: { table: 70_000, protocol: 110, metric: 50, type: "unicast", hops: [{ gateway: route.gateway, oif: 4 }] },
    });
    const hole = { destination: prefix("2001:db8::/32"), table: 254, protocol: 110, type: "blackhole" as const };
    expect(decodeRoute(encodeRoute(hole))).toMatchObject({ ok: true, value: { ...hole, hops: [] } });
  });

  test("multipath next hops", () => {
    const plain = encodeRoute({ destination: prefix("198.51.100.0/24"), table: 254, protocol: 110 });
    const hop = (gateway: string, oif: number, weight: number, flags: number): Uint8Array => {
      const inner = attribute(5, Uint8Array.from(gateway.split(".").map(Number)));
      return join([u16(8 + inner.length), Uint8Array.of(flags, weight - 1), u32(oif), inner]);
    };
    const route = decodeRoute(
      join([plain, attribute(9, join([hop("192.0.2.1", 2, 3, 0), hop("192.0.2.2", 3, 1, 16)]))]),
    );
    expect(route.ok && route.value.hops).toEqual([
      { gateway: ipv4("192.0.2.1"), oif: 2, weight: 3, dead: false },
      { gateway: ipv4("192.0.2.2"), oif: 3, weight: 1, dead: true },
    ]);
  });

  test("rules and neighbours", () => {
    const rule = {
      family: "ip6",
      preference: 11_001,
      table: 300,
      protocol: 110,
      from: prefix("2001:db8::/32"),
      mark: 0x100,
      mask: 0xf00,
      iif: "e0",
    } as const;
    expect(decodeRule(encodeRule(rule))).toMatchObject({ ok: true, value: { ...rule, action: "lookup" } });
    const neighbour = { ip: ipv4("192.0.2.7"), index: 2, mac: 0x020000000001 as Mac, state: "stale" as const };
    expect(decodeNeighbour(encodeNeighbour(neighbour))).toMatchObject({ ok: true, value: neighbour });
  });

  test("set elements: keys, values and times", () => {
    const element = {
      key: Uint8Array.of(192, 0, 2, 1),
      data: Uint8Array.of(192, 0, 2, 2),
      timeout: ms(1500),
      expires: ms(20),
    };
    const set = { family: "ip", table: "t", name: "m" } as const;
    const batch = encodeBatch([{ kind: "add", set, elements: [element] }]);
    const messages = decodeMessages(batch);
    const added = messages.ok ? messages.value[1] : undefined;
    expect(decodeElements(added?.payload ?? new Uint8Array(0))).toEqual({ ok: true, value: [element] });
  });

  test("a batch is one sequence number and asks for one acknowledgement", () => {
    const set = { family: "ip", table: "t", name: "s" } as const;
    const batch = encodeBatch(placing(set, [{ key: Uint8Array.of(1, 2, 3, 4), timeout: ms(300) }]));
    stamp(batch, 77);
    const messages = decodeMessages(batch);
    const heads = messages.ok ? messages.value.map(({ type, flags, sequence }) => [type, flags & 4, sequence]) : [];
    expect(heads).toEqual([
      [0x10, 0, 77],
      [0x0a0c, 0, 77],
      [0x0a0e, 0, 77],
      [0x0a0c, 4, 77],
      [0x11, 0, 77],
    ]);
  });

  test("nested attributes carry the flag that strict kernels ask for", () => {
    expect(hex(nested(1, attributeU32(2, 5)))).toBe("0c0001800800020005000000");
  });
});
