import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ipv4, ipv4, type Mac, parseMac } from "../../../base/address.ts";
import {
  type ArpPacket,
  arpAnnouncement,
  arpProbe,
  arpRequest,
  decodeArp,
  encodeArp,
} from "../../../netstack/wire/arp.ts";
import { decodeEthernet, ETHERNET_HEADER } from "../../../netstack/wire/ethernet.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const mac = (text: string): Mac => {
  const parsed = parseMac(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
};
/** Captured on a Linux 6.18 veth pair: the kernel's answer to a probe for 10.0.0.100 (its padding was zeros). */
const REPLY = hex(`6245c0085b14 beca1e815d18 0806
  0001 0800 06 04 0002 beca1e815d18 0a000064 6245c0085b14 00000000`);

describe("RFC 826: packets", () => {
  test("the kernel's answer to a probe", () => {
    expect(decodeArp(REPLY.subarray(ETHERNET_HEADER))).toEqual({
      ok: true,
      value: {
        operation: "reply",
        senderMac: mac("be:ca:1e:81:5d:18"),
        senderIp: ipv4("10.0.0.100"),
        targetMac: mac("62:45:c0:08:5b:14"),
        targetIp: ipv4("0.0.0.0"),
      },
    });
  });

  test("RFC 5227 §2.1.1: a probe has no sender address", () => {
    expect(arpProbe(mac("62:45:c0:08:5b:14"), ipv4("10.0.0.100"))).toEqual(
      hex(`ffffffffffff 6245c0085b14 0806 0001 0800 06 04 0001 6245c0085b14 00000000 000000000000 0a000064
           000000000000000000000000000000000000`),
    );
  });

  test("RFC 5227 §2.3: an announcement has it twice, in both forms", () => {
    const own = mac("be:ca:1e:81:5d:18");
    expect(arpAnnouncement(own, ipv4("10.0.0.100"), "request").subarray(0, 42)).toEqual(
      hex("ffffffffffff beca1e815d18 0806 0001 0800 06 04 0001 beca1e815d18 0a000064 000000000000 0a000064"),
    );
    expect(arpAnnouncement(own, ipv4("10.0.0.100"), "reply").subarray(0, 42)).toEqual(
      hex("ffffffffffff beca1e815d18 0806 0001 0800 06 04 0002 beca1e815d18 0a000064 ffffffffffff 0a000064"),
    );
  });

  test("a request asks from an address of ours", () => {
    const frame = arpRequest(mac("62:45:c0:08:5b:14"), ipv4("10.0.0.1"), ipv4("10.0.0.9"));
    expect(decodeEthernet(frame)).toMatchObject({ ok: true, value: { source: mac("62:45:c0:08:5b:14") } });
    expect(decodeArp(frame.subarray(ETHERNET_HEADER))).toMatchObject({
      value: { operation: "request", senderIp: ipv4("10.0.0.1"), targetIp: ipv4("10.0.0.9") },
    });
  });
});

describe("RFC 826: refusals", () => {
  const good = REPLY.subarray(ETHERNET_HEADER);
  const changed = (at: number, value: number): Uint8Array => good.map((octet, index) => (index === at ? value : octet));
  test.each([
    ["arp-short", good.subarray(0, 27)],
    ["arp-hardware", changed(1, 6)],
    ["arp-hardware", changed(4, 8)],
    ["arp-protocol", changed(2, 0x86)],
    ["arp-protocol", changed(5, 16)],
    ["arp-operation", changed(7, 3)],
    ["arp-sender-mac", changed(8, 0xbf)],
    ["arp-sender-mac", good.map((octet, index) => (index >= 8 && index < 14 ? 0 : octet))],
  ])("%s", (kind, bytes) => {
    expect(decodeArp(bytes)).toMatchObject({ ok: false, error: { kind } });
  });

  test("decode survives any octets, and encode comes back", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => typeof decodeArp(bytes).ok === "boolean"));
    const packet: fc.Arbitrary<ArpPacket> = fc.record({
      operation: fc.constantFrom("request" as const, "reply" as const),
      senderMac: fc.nat(2 ** 40 - 1).map((low) => (low + 0x0200_0000_0000) as Mac),
      senderIp: fc.nat(0xffff_ffff).map((ip) => ip as Ipv4),
      targetMac: fc.nat(2 ** 48 - 1).map((value) => value as Mac),
      targetIp: fc.nat(0xffff_ffff).map((ip) => ip as Ipv4),
    });
    fc.assert(
      fc.property(packet, (value) => {
        expect(decodeArp(encodeArp(value).subarray(ETHERNET_HEADER))).toEqual({ ok: true, value });
      }),
    );
  });
});

describe("RFC 894: Ethernet", () => {
  test("a short frame and an 802.3 length are refused", () => {
    expect(decodeEthernet(REPLY.subarray(0, 13))).toMatchObject({ error: { kind: "ethernet-short" } });
    const length = REPLY.map((octet, index) => (index === 12 ? 0x05 : octet));
    expect(decodeEthernet(length)).toMatchObject({ error: { kind: "ethernet-length" } });
  });
});
