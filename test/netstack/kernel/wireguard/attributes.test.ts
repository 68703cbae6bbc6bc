/** WireGuard's generic netlink attributes by their octets (include/uapi/linux/wireguard.h): this is where no kernel helps. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hex, join } from "../../../../base/octets.ts";
import type { WireguardPeerChange } from "../../../../base/wireguard.ts";
import {
  attribute,
  attributeText,
  attributeU8,
  attributeU32,
  decodeAttributes,
  nested,
} from "../../../../netstack/kernel/netlink/attribute.ts";
import { u16 } from "../../../../netstack/kernel/netlink/octets.ts";
import { decodeGetDevice, encodeGetDevice, encodeSetDevice } from "../../../../netstack/kernel/wireguard/attributes.ts";
import { decodeFamilyId, genericPayload } from "../../../../netstack/kernel/wireguard/kernel-door.ts";

const key = (fill: number): string => Buffer.alloc(32, fill).toString("base64");
const keyHex = (fill: number): string => Buffer.alloc(32, fill).toString("hex");

describe("generic netlink", () => {
  test("CTRL_CMD_GETFAMILY: header, then CTRL_ATTR_FAMILY_NAME", () => {
    const name = attributeText(2, "wireguard");
    expect(hex(genericPayload(3, 1, name))).toBe(
      `03010000${"0e000200"}${Buffer.from("wireguard\0").toString("hex")}0000`,
    );
  });

  test("the family's number out of the answer; a refusal for each way that it can be wrong", () => {
    expect(decodeFamilyId(genericPayload(1, 2, attribute(1, u16(0x23))))).toEqual({ ok: true, value: 0x23 });
    expect(decodeFamilyId(new Uint8Array(3))).toMatchObject({ error: { kind: "short" } });
    expect(decodeFamilyId(genericPayload(1, 2, attribute(1, new Uint8Array(1))))).toMatchObject({
      error: { kind: "bad-value" },
    });
    expect(decodeFamilyId(genericPayload(1, 2, new Uint8Array(0)))).toMatchObject({ error: { kind: "bad-value" } });
    expect(decodeFamilyId(genericPayload(1, 2, Uint8Array.of(9, 0, 1, 0)))).toMatchObject({
      error: { kind: "bad-length" },
    });
  });
});

describe("WG_CMD_GET_DEVICE", () => {
  test("asks for a device by WGDEVICE_A_IFNAME", () => {
    expect(hex(encodeGetDevice("nv0"))).toBe("08000200" + "6e763000");
  });

  test("a device with a peer of each family, all attributes", () => {
    const peer = nested(
      0,
      attribute(1, Buffer.alloc(32, 7)),
      attribute(2, Buffer.alloc(32, 8)),
      // sockaddr_in6, 28 octets: 2001:db8::1 port 51820
      attribute(4, Buffer.from(`0a00ca6c00000000${"20010db8000000000000000000000001"}00000000`, "hex")),
      attribute(5, u16(25)),
      attribute(6, Buffer.from("00f15365000000004e61bc0000000000", "hex")),
      attribute(7, Buffer.from("0010000000000000", "hex")),
      attribute(8, Buffer.from("0000000001000000", "hex")),
      nested(
        9,
        nested(0, attribute(1, u16(2)), attribute(2, Uint8Array.of(10, 2, 0, 0)), attributeU8(3, 24)),
        nested(0, attribute(1, u16(10)), attribute(2, Buffer.from(`fd00${"00".repeat(14)}`, "hex")), attributeU8(3, 8)),
      ),
      attributeU32(10, 1),
    );
    const payload = join([
      attributeU32(1, 4),
      attributeText(2, "nv0"),
      attribute(3, Buffer.alloc(32, 1)),
      attribute(4, Buffer.alloc(32, 2)),
      attribute(6, u16(51820)),
      attributeU32(7, 0x05000000),
      nested(8, peer),
    ]);
    expect(decodeGetDevice([payload])).toEqual({
      ok: true,
      value: {
        privateKey: key(1),
        listenPort: 51820,
        mark: 0x05000000,
        peers: [
          {
            publicKey: key(7),
            presharedKey: key(8),
            endpoint: "[2001:db8::1]:51820",
            keepalive: 25,
            lastHandshake: 1_700_000_000_012,
            received: 4096,
            sent: 2 ** 32,
            allowedIps: ["10.2.0.0/24", "fd00::/8"],
          },
        ],
      },
    });
  });

  test("a peer whose addresses go on in the next message is one peer; another one is another", () => {
    const allowed = (last: number): Uint8Array =>
      nested(0, attribute(1, u16(2)), attribute(2, Uint8Array.of(10, 0, 0, last)), attributeU8(3, 32));
    const first = nested(8, nested(0, attribute(1, Buffer.alloc(32, 7)), attribute(5, u16(9)), nested(9, allowed(1))));
    const rest = nested(
      8,
      nested(0, attribute(1, Buffer.alloc(32, 7)), nested(9, allowed(2))),
      nested(0, attribute(1, Buffer.alloc(32, 9))),
    );
    const state = decodeGetDevice([join([attribute(6, u16(1)), first]), rest]);
    expect(state).toMatchObject({
      value: {
        listenPort: 1,
        peers: [
          { publicKey: key(7), keepalive: 9, allowedIps: ["10.0.0.1/32", "10.0.0.2/32"] },
          { publicKey: key(9), allowedIps: [] },
        ],
      },
    });
  });

  test("no key, no preshared key and no handshake are zeros there and nothing here", () => {
    const peer = nested(
      0,
      attribute(1, Buffer.alloc(32, 7)),
      attribute(2, Buffer.alloc(32)),
      attribute(6, Buffer.alloc(16)),
    );
    expect(decodeGetDevice([join([attribute(3, Buffer.alloc(32)), nested(8, peer)])])).toMatchObject({
      value: {
        privateKey: undefined,
        peers: [{ presharedKey: undefined, lastHandshake: undefined, endpoint: undefined }],
      },
    });
  });

  test.each([
    ["a peer without a key", nested(8, nested(0, attribute(5, u16(9))))],
    ["a key of 31 octets", nested(8, nested(0, attribute(1, Buffer.alloc(31, 1))))],
    [
      "an address of no family",
      nested(8, nested(0, attribute(1, Buffer.alloc(32, 1)), nested(9, nested(0, attribute(1, u16(3)))))),
    ],
    [
      "a mask longer than the address",
      nested(
        8,
        nested(
          0,
          attribute(1, Buffer.alloc(32, 1)),
          nested(9, nested(0, attribute(1, u16(2)), attribute(2, Buffer.alloc(4)), attributeU8(3, 33))),
        ),
      ),
    ],
    ["a port of one octet", attribute(6, Uint8Array.of(1))],
    ["a length beyond the end", Uint8Array.of(99, 0, 8, 0)],
  ])("%s is refused", (_what, payload) => {
    expect(decodeGetDevice([payload]).ok).toBe(false);
  });

  test("survives any octets", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), (payloads) => {
        expect(typeof decodeGetDevice(payloads).ok).toBe("boolean");
        for (const payload of payloads) expect(typeof decodeFamilyId(payload).ok).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("WG_CMD_SET_DEVICE", () => {
  test("a device's own settings, octet by octet", () => {
    const [payload, ...more] = encodeSetDevice("nv0", {
      privateKey: key(1),
      listenPort: 51820,
      mark: 0x05000000,
      peers: [],
    });
    expect(more).toEqual([]);
    expect(hex(payload ?? new Uint8Array(0))).toBe(
      `08000200${"6e763000"}24000300${keyHex(1)}06000600${"6cca0000"}08000700${"00000005"}`,
    );
  });

  test("a peer: key, preshared key, endpoint, keepalive, addresses; nested in order", () => {
    const peers: readonly WireguardPeerChange[] = [
      {
        kind: "set",
        publicKey: key(7),
        presharedKey: "none",
        endpoint: "192.0.2.1:51820",
        keepalive: 25,
        allowedIps: ["10.2.0.0/24"],
      },
    ];
    const [payload] = encodeSetDevice("nv0", { peers });
    const endpoint = `02 00 ca6c c0000201 0000000000000000`.replaceAll(" ", "");
    const allowed = `1c000080${"06000100"}02000000${"08000200"}0a020000${"05000300"}18000000`;
    const list = `${"20000980"}${allowed}`;
    const inner = `24000100${keyHex(7)}24000200${keyHex(0)}14000400${endpoint}06000500${"19000000"}${list}`;
    const length = (inner.length / 2 + 4).toString(16).padStart(2, "0");
    const whole = (inner.length / 2 + 8).toString(16).padStart(2, "0");
    expect(hex(payload ?? new Uint8Array(0))).toBe(`08000200${"6e763000"}${whole}000880${length}000080${inner}`);
  });

  test("a peer that goes: WGPEER_F_REMOVE_ME", () => {
    const [payload] = encodeSetDevice("nv0", { peers: [{ kind: "remove", publicKey: key(7) }] });
    expect(hex(payload ?? new Uint8Array(0)).endsWith(`24000100${keyHex(7)}08000300${"01000000"}`)).toBe(true);
  });

  test("many peers and many addresses come in several messages, complete and in order", () => {
    const peers = Array.from(
      { length: 40 },
      (_, index): WireguardPeerChange => ({
        kind: "set",
        publicKey: key(index + 1),
        keepalive: 25,
        allowedIps: Array.from({ length: index * 7 }, (__, each) => `10.${index}.${each >> 8}.${each & 255}/32`),
      }),
    );
    const payloads = encodeSetDevice("nv0", { listenPort: 9, peers }, 2_048);
    expect(payloads.length).toBeGreaterThan(10);
    for (const payload of payloads) expect(payload.length).toBeLessThan(2 * 2_048 + 200);
    // Only the first message carries the device's own settings.
    const ported = payloads.filter((payload) => {
      const list = decodeAttributes(payload);
      return list.ok && list.value.some(({ type }) => type === 6);
    });
    expect(ported).toEqual([payloads[0]]);
    const read = decodeGetDevice(payloads);
    if (!read.ok) throw new TypeError(read.error.kind);
    expect(read.value.peers.map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps }))).toEqual(
      peers.map((each) => (each.kind === "set" ? { publicKey: each.publicKey, allowedIps: each.allowedIps } : {})),
    );
  });
});
