/** BGP messages but UPDATE: every MUST about their octets. */
import { describe, expect, test } from "vitest";
import { seconds } from "../../base/unit.ts";
import { encode } from "../../netstack/bgp/packet/codec.ts";
import { Framer, MOST_EXTENDED } from "../../netstack/bgp/packet/framing.ts";
import type { Open, RefusalKind } from "../../netstack/bgp/packet/message.ts";
import {
  codesOf,
  hardReset,
  hardResetReason,
  KNOWN_REASONS,
  reasonOf,
  shutdownData,
  shutdownText,
} from "../../netstack/bgp/packet/notification.ts";
import { EXTERNAL, hex, id, message, OLD, read, refusal, TYPES, text, update } from "../netstack/bgp/packet/octets.ts";

const KEEPALIVE = message(TYPES.keepalive, "");
const wide = { ...EXTERNAL, mostIn: MOST_EXTENDED, mostOut: MOST_EXTENDED };

function refused(bytes: Uint8Array, agreed = EXTERNAL): { kind: RefusalKind; reason: string; data: string } {
  const { kind, reason, data } = refusal(bytes, agreed);
  return { kind, reason, data: text(data) };
}
/** As a stream: what a session meets first. */
function streamed(bytes: Uint8Array, most = 4096) {
  const framer = new Framer();
  framer.most = most;
  return framer.feed(bytes, 0, bytes.length, () => true);
}

describe("RFC 4271 §4.1, §6.1: message header", () => {
  test("§6.1: a marker that is not all ones: Connection Not Synchronized", () => {
    for (const at of [0, 7, 15]) {
      const bytes = KEEPALIVE.slice();
      bytes[at] = 0xfe;
      expect(refused(bytes)).toEqual({
        kind: "marker",
        reason: "message-header/connection-not-synchronized",
        data: "",
      });
      expect(streamed(bytes)?.kind).toBe("marker");
    }
  });
  test.each([
    ["less than 19", message(TYPES.keepalive, "", 18), "0012"],
    ["more than 4096", message(TYPES.update, new Uint8Array(4078)), "1001"],
    ["OPEN of less than 29", message(TYPES.open, "04fde9005a0a0000"), "001b"],
    ["UPDATE of less than 23", message(TYPES.update, "000000"), "0016"],
    ["KEEPALIVE that is not 19", message(TYPES.keepalive, "00"), "0014"],
    ["NOTIFICATION of less than 21", message(TYPES.notification, "06"), "0014"],
    ["ROUTE-REFRESH of less than 23 (RFC 2918 §3)", message(TYPES.refresh, "000100"), "0016"],
  ])("§6.1: Bad Message Length, and its Data is the Length field: %s", (_name, bytes, data) => {
    expect(streamed(bytes)).toMatchObject({ kind: "length", reason: "message-header/bad-message-length" });
    expect(text(streamed(bytes)?.data ?? hex("ff"))).toBe(data);
  });
  test.each([0, 6, 255])(
    "§6.1: type %d is not recognized: Bad Message Type, and its Data is the Type field",
    (type) => {
      const bytes = message(type, "");
      expect(refused(bytes)).toEqual({
        kind: "type",
        reason: "message-header/bad-message-type",
        data: text(Uint8Array.of(type)),
      });
      expect(streamed(bytes)?.kind).toBe("type");
    },
  );
  test("§6.1: an error is told as soon as the header is there, not when the message would be", () => {
    expect(streamed(message(TYPES.update, "").slice(0, 19))?.kind).toBe("length");
    expect(streamed(message(9, "", 4000))?.kind).toBe("type");
  });
  test("§4.4: a KEEPALIVE is a header", () => {
    expect(read(KEEPALIVE)).toEqual({ ok: true, value: { kind: "keepalive" } });
    expect(encode({ kind: "keepalive" }, EXTERNAL)).toEqual(KEEPALIVE);
  });
});

describe("RFC 8654: extended messages", () => {
  const long = update({ attributes: ["d063 1388".replace(" ", "") + "00".repeat(5000)] });
  test("§4: a message of more than 4096 octets is taken from a peer that we told so, and only then", () => {
    expect(long.length).toBeGreaterThan(4096);
    expect(streamed(long)?.kind).toBe("length");
    expect(streamed(long, MOST_EXTENDED)).toBeUndefined();
    expect(read(long, wide).ok).toBe(true);
  });
  test("§4: OPEN and KEEPALIVE stay within 4096", () => {
    expect(streamed(message(TYPES.open, new Uint8Array(5000)), MOST_EXTENDED)?.kind).toBe("length");
    expect(streamed(message(TYPES.keepalive, new Uint8Array(5000)), MOST_EXTENDED)?.kind).toBe("length");
  });
  test("§5: a NOTIFICATION is cut to what the peer takes", () => {
    const data = new Uint8Array(10_000);
    const notification = { kind: "notification", reason: "update-message/optional-attribute", data } as const;
    expect(encode(notification, EXTERNAL)).toHaveLength(4096);
    expect(encode(notification, wide)).toHaveLength(10_021);
  });
});

describe("RFC 4271 §4.2, §6.2: OPEN", () => {
  const open = (body: string) => message(TYPES.open, body);
  test("fields", () => {
    expect(read(open("04 fde9 005a 0a000001 00"))).toEqual({
      ok: true,
      value: { kind: "open", asn: 65001, holdTime: 90_000, routerId: id("0a000001"), capabilities: [] },
    });
  });
  test.each(["03", "05", "00"])(
    "§6.2: version %s: Unsupported Version Number, Data is the largest we know",
    (version) => {
      expect(refused(open(`${version} fde9 005a 0a000001 00`))).toEqual({
        kind: "version",
        reason: "open-message/unsupported-version-number",
        data: "0004",
      });
    },
  );
  test.each(["0001", "0002"])("§6.2: a hold time of %s seconds MUST be rejected: Unacceptable Hold Time", (hold) => {
    expect(refused(open(`04 fde9 ${hold} 0a000001 00`))).toMatchObject({
      kind: "hold-time",
      reason: "open-message/unacceptable-hold-time",
    });
  });
  test.each(["0000", "0003", "ffff"])("§4.2: a hold time of %s is good", (hold) => {
    expect(read(open(`04 fde9 ${hold} 0a000001 00`)).ok).toBe(true);
  });
  test("RFC 6286 §2.2: identifier 0: Bad BGP Identifier; any other is valid", () => {
    expect(refused(open("04 fde9 005a 00000000 00"))).toMatchObject({
      kind: "router-id-zero",
      reason: "open-message/bad-bgp-identifier",
    });
    expect(read(open("04 fde9 005a e0000001 00")).ok).toBe(true);
  });
  test("RFC 7607 §2: AS 0: Bad Peer AS, in either field", () => {
    for (const body of ["04 0000 005a 0a000001 00", "04 5ba0 005a 0a000001 08 0206 4104 00000000"])
      expect(refused(open(body))).toMatchObject({ kind: "asn-zero", reason: "open-message/bad-peer-as" });
  });
  test("§6.2: a parameter that is not recognized: Unsupported Optional Parameter", () => {
    for (const type of ["01", "03", "fe"])
      expect(refused(open(`04 fde9 005a 0a000001 03 ${type} 01 00`))).toMatchObject({
        kind: "parameter-type",
        reason: "open-message/unsupported-optional-parameter",
      });
  });
  test.each([
    ["parameters longer than the message", "04 fde9 005a 0a000001 05 0200", "parameters-length"],
    ["parameters shorter than the message", "04 fde9 005a 0a000001 00 0200", "parameters-length"],
    ["a parameter longer than the parameters", "04 fde9 005a 0a000001 02 0204", "parameter-length"],
    ["a capability longer than its parameter", "04 fde9 005a 0a000001 04 0202 0104", "capability-length"],
    ["a capability without a length", "04 fde9 005a 0a000001 03 0201 01", "capability-length"],
    ["a four-octet AS number of three octets", "04 fde9 005a 0a000001 07 0205 4103 000001", "capability-length"],
  ])("§6.2: malformed: Unspecific: %s", (_name, body, kind) => {
    expect(refused(open(body))).toMatchObject({ kind, reason: "open-message/unspecific" });
  });
  test("RFC 6793 §4.1: the number in the capability counts", () => {
    expect(read(open("04 5ba0 005a 0a000001 08 0206 4104 fa56ea01"))).toMatchObject({ value: { asn: 4200000001 } });
  });
  test("RFC 6793 §4.1: AS_TRANS stands for ours when it needs four octets", () => {
    const ours: Open = {
      kind: "open",
      asn: 4200000001,
      holdTime: seconds(90),
      routerId: id("0a000001"),
      capabilities: [{ kind: "four-octet-asn", asn: 4200000001 }],
    };
    expect(text(encode(ours, EXTERNAL)).slice(38)).toBe("045ba0005a0a0000010802064104fa56ea01");
  });
});

describe("RFC 9072: extended optional parameters", () => {
  const body = "04 fde9 005a 0a000001";
  test("§2: the type octet 255 says so, whatever the old length says", () => {
    for (const old of ["ff", "01", "09"])
      expect(read(message(TYPES.open, `${body} ${old} ff 0009 02 0006 4104 0000fde9`))).toMatchObject({
        value: { capabilities: [{ kind: "four-octet-asn", asn: 65001 }] },
      });
  });
  test("§2: lengths that do not fit are malformed as before", () => {
    expect(refused(message(TYPES.open, `${body} ff ff 000a 02 0006 4104 0000fde9`)).kind).toBe("parameters-length");
    expect(refused(message(TYPES.open, `${body} ff ff 0009 02 0007 4104 0000fde9`)).kind).toBe("parameter-length");
    expect(refused(message(TYPES.open, `${body} 01 ff`)).kind).toBe("parameters-length");
  });
  test("§2: ours is extended when it does not fit 255 octets, and only then", () => {
    const open = (count: number): Open => ({
      kind: "open",
      asn: 65001,
      holdTime: seconds(90),
      routerId: id("0a000001"),
      capabilities: Array.from({ length: count }, (_, code) => ({
        kind: "unknown",
        code: 200 + code,
        value: new Uint8Array(100),
      })),
    });
    expect(encode(open(2), EXTERNAL)[28]).toBe(206);
    expect(text(encode(open(3), EXTERNAL)).slice(56, 64)).toBe("ffff0135");
    for (const count of [2, 3, 30])
      expect(read(encode(open(count), EXTERNAL))).toEqual({ ok: true, value: open(count) });
  });
});

describe("RFC 4271 §4.5: NOTIFICATION", () => {
  test("every code and subcode has a word, and each word its numbers", () => {
    for (const reason of KNOWN_REASONS) {
      const [code, subcode] = codesOf(reason);
      expect(reasonOf(code, subcode)).toBe(reason);
      const bytes = encode({ kind: "notification", reason, data: hex("0102") }, EXTERNAL);
      expect(text(bytes).slice(38)).toBe(text(Uint8Array.of(code, subcode, 1, 2)));
      expect(read(bytes)).toEqual({ ok: true, value: { kind: "notification", reason, data: hex("0102") } });
    }
  });
  test("numbers that have no word are kept", () => {
    for (const [code, subcode] of [
      [6, 99],
      [200, 7],
      [0, 0],
    ] as const)
      expect(read(message(TYPES.notification, Uint8Array.of(code, subcode)))).toMatchObject({
        value: { reason: `${code}/${subcode}` },
      });
    expect(codesOf("200/7")).toEqual([200, 7]);
  });
  test("the registry: RFC 4271 §4.5, §6; RFC 4486; RFC 6608; RFC 7313; RFC 8538; RFC 9384; RFC 9687", () => {
    expect(codesOf("cease/bfd-down")).toEqual([6, 10]);
    expect(codesOf("cease/hard-reset")).toEqual([6, 9]);
    expect(codesOf("cease/connection-collision-resolution")).toEqual([6, 7]);
    expect(codesOf("fsm/unexpected-message-in-established")).toEqual([5, 3]);
    expect(codesOf("open-message/unsupported-capability")).toEqual([2, 7]);
    expect(codesOf("route-refresh/invalid-message-length")).toEqual([7, 1]);
    expect(codesOf("send-hold-timer-expired")).toEqual([8, 0]);
    expect(codesOf("update-message/malformed-as-path")).toEqual([3, 11]);
  });
});

describe("RFC 9003: shutdown communication", () => {
  const cease = (data: Uint8Array) => ({ reason: "cease/administrative-shutdown", data }) as const;
  test("§2: length, then UTF-8", () => {
    expect(text(shutdownData("wartung é"))).toBe(`0a${Buffer.from("wartung é").toString("hex")}`);
    expect(shutdownText(cease(shutdownData("wartung é 維持 🛠")))).toBe("wartung é 維持 🛠");
    expect(shutdownText({ reason: "cease/administrative-reset", data: shutdownData("x") })).toBe("x");
  });
  test("§2: at most 255 octets, cut between characters", () => {
    const data = shutdownData("é".repeat(200));
    expect(data[0]).toBe(254);
    expect(data).toHaveLength(255);
    expect(shutdownText(cease(data))).toBe("é".repeat(127));
  });
  test("§2: no text, or one that its length contradicts: none", () => {
    for (const data of ["", "00", "05616263"]) expect(shutdownText(cease(hex(data)))).toBeUndefined();
    expect(shutdownText({ reason: "cease/peer-deconfigured", data: shutdownData("x") })).toBeUndefined();
  });
  test("§2: what is no UTF-8 is not taken for it, and nothing can write to a terminal", () => {
    expect(shutdownText(cease(hex("05 61 ff c080 62")))).toBe("a���b");
    expect(shutdownText(cease(hex("03 eda080")))).toBe("���");
    expect(shutdownText(cease(hex("05 1b5b324a07")))).toBe(" [2J ");
  });
});

describe("RFC 8538 §3.1: hard reset", () => {
  test("encapsulates the code, subcode and data of what it is for", () => {
    const reset = hardReset({ reason: "cease/administrative-shutdown", data: shutdownData("bye") });
    expect(reset.reason).toBe("cease/hard-reset");
    expect(text(reset.data)).toBe("060203627965");
    expect(hardResetReason(reset)).toEqual({ reason: "cease/administrative-shutdown", data: hex("03627965") });
    expect(shutdownText(reset)).toBe("bye");
  });
  test("without that, it is one all the same", () => {
    expect(hardResetReason({ reason: "cease/hard-reset", data: hex("06") })).toBeUndefined();
  });
});

describe("RFC 2918, RFC 7313: ROUTE-REFRESH", () => {
  const enhanced = { ...EXTERNAL, enhancedRouteRefresh: true };
  test("RFC 2918 §3: AFI, reserved, SAFI; what is reserved is ignored", () => {
    expect(read(message(TYPES.refresh, "00020001"))).toEqual({
      ok: true,
      value: { kind: "route-refresh", family: "ipv6", what: "request" },
    });
    expect(read(message(TYPES.refresh, "00020201"))).toMatchObject({ value: { what: "request" } });
    expect(read(message(TYPES.refresh, "00190046"))).toMatchObject({ value: { family: "25/70" } });
  });
  test("RFC 7313 §3.2: 1 begins, 2 ends", () => {
    expect(read(message(TYPES.refresh, "00010101"), enhanced)).toMatchObject({ value: { what: "begin" } });
    expect(read(message(TYPES.refresh, "00010201"), enhanced)).toMatchObject({ value: { what: "end" } });
    expect(text(encode({ kind: "route-refresh", family: "ipv6", what: "end" }, enhanced)).slice(38)).toBe("00020201");
  });
  test("RFC 7313 §5: another subtype MUST be ignored: it comes out as its number", () => {
    expect(read(message(TYPES.refresh, "00010701"), enhanced)).toMatchObject({ value: { what: 7 } });
  });
  test("RFC 7313 §5: subtype 1 or 2 and not four octets: Invalid Message Length, Data is the whole message", () => {
    for (const body of ["0001010100", "000102010000"]) {
      const bytes = message(TYPES.refresh, body);
      expect(refused(bytes, enhanced)).toEqual({
        kind: "refresh-length",
        reason: "route-refresh/invalid-message-length",
        data: text(bytes),
      });
    }
  });
  test("RFC 5291: filters behind a request are no error of its length", () => {
    expect(read(message(TYPES.refresh, "0001000101400000"), enhanced)).toMatchObject({ value: { what: "request" } });
  });
});

test("before the OPENs nothing is agreed: two-octet numbers, IPv4, 4096", () => {
  expect(OLD.fourOctetAsn).toBe(false);
  expect(refusal(message(TYPES.update, new Uint8Array(5000))).kind).toBe("length");
});
