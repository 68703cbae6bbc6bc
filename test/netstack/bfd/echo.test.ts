import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, type Mac } from "../../../base/address.ts";
import { instant, ms } from "../../../base/unit.ts";
import { decodeEcho, Echo, encodeEcho } from "../../../netstack/bfd/echo.ts";
import { decodeEchoFrame, type EchoFrame, encodeEchoFrame, reflected } from "../../../netstack/bfd/echo-frame.ts";

const proof = (bytes: Uint8Array): Uint8Array => createHmac("sha256", "k").update(bytes).digest();
const PACKET = { discriminator: 7, sequence: 9 };

describe("echo packets: what comes back is ours, or it has a name", () => {
  test("as sent, also with padding", () => {
    const bytes = encodeEcho(PACKET, proof);
    expect(decodeEcho(bytes, proof)).toEqual({ ok: true, value: PACKET });
    expect(decodeEcho(Uint8Array.from([...bytes, 0, 0]), proof)).toEqual({ ok: true, value: PACKET });
  });
  test("too short, or another's format", () => {
    for (const bytes of [new Uint8Array(0), encodeEcho(PACKET, proof).subarray(0, 27), new Uint8Array(40)])
      expect(decodeEcho(bytes, proof)).toEqual({ ok: false, error: { kind: "echo-foreign" } });
  });
  test("forged, whichever octet", () => {
    for (let at = 4; at < 28; at++) {
      const bytes = encodeEcho(PACKET, proof);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(decodeEcho(bytes, proof)).toEqual({ ok: false, error: { kind: "echo-proof" } });
    }
  });
  test("replayed, early or never sent", () => {
    const echo = new Echo(1, { random: () => 0, proof });
    echo.run(ms(10), 3, instant(0));
    for (const at of [0, 10, 20]) echo.transmit(instant(at));
    expect([2, 2, 1, 4, 3].map((sequence) => echo.returned(sequence, instant(20)))).toEqual([
      true,
      false,
      false,
      false,
      true,
    ]);
  });
});

describe("RFC 5881 §4: echo frames", () => {
  const frame = (source: Ip, destination = source): EchoFrame => ({
    destinationMac: 0x02_00_00_00_00_02 as Mac,
    sourceMac: 0x02_00_00_00_00_01 as Mac,
    source,
    destination,
    ttl: 255,
    sourcePort: 3785,
    payload: Uint8Array.of(1, 2, 3),
  });
  test.each([ipv4("10.0.0.1"), ipv6("fd00::1")])("encode and decode over %s", (ip) => {
    expect(decodeEchoFrame(encodeEchoFrame(frame(ip)))).toEqual({ ok: true, value: frame(ip) });
  });
  test.each([
    [ipv4("10.0.0.1"), ipv4("10.0.0.2")],
    [ipv6("fd00::1"), ipv6("fd00::2")],
  ])("the way back from %s: MACs changed, one hop older, nothing else", (a, b) => {
    const sent = frame(a, b);
    for (const swap of [false, true]) {
      const back = reflected(encodeEchoFrame(sent), swap);
      const [source, destination] = swap ? [b, a] : [a, b];
      const macs = { destinationMac: sent.sourceMac, sourceMac: sent.destinationMac };
      const expected = encodeEchoFrame({ ...sent, ...macs, source, destination, ttl: 254 });
      expect(back).toEqual(expected); // sums too
    }
  });
  test("an echo that has come far enough is not returned", () => {
    expect(reflected(encodeEchoFrame({ ...frame(ipv4("10.0.0.1")), ttl: 1 }), false)).toBeUndefined();
  });
  test.each<readonly [string, (bytes: Uint8Array) => void]>([
    ["ethertype", (bytes) => void (bytes[13] = 6)],
    ["ipv4-header", (bytes) => void (bytes[14] = 0x44)],
    ["ipv4-length", (bytes) => void (bytes[17] = 255)],
    ["ipv4-length", (bytes) => void (bytes[20] = 0x20)],
    ["protocol", (bytes) => void (bytes[23] = 6)],
    ["port", (bytes) => void (bytes[37] = 1)],
    ["udp-length", (bytes) => void (bytes[39] = 200)],
    ["udp-length", (bytes) => void (bytes[39] = 7)],
  ])("refused: %s", (why, change) => {
    const bytes = encodeEchoFrame(frame(ipv4("10.0.0.1")));
    change(bytes);
    expect(decodeEchoFrame(bytes)).toEqual({ ok: false, error: { kind: "echo-frame", why } });
  });
  test("no octets make it throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const result = decodeEchoFrame(bytes);
        expect(typeof (result.ok ? result.value.ttl : result.error.why)).not.toBe("undefined");
      }),
    );
  });
});
