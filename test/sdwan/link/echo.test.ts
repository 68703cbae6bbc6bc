/** Echo requests and what comes back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checksum } from "../../../netstack/wire/checksum.ts";
import { decodeEcho, type Echo, encodeEcho } from "../../../sdwan/link/echo.ts";

const ECHO: Echo = { id: 0x1234, sequence: 7, token: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

/** An IPv4 header as raw sockets show it. */
function inIpv4(icmp: Uint8Array, protocol = 1, options = 0): Uint8Array {
  const out = new Uint8Array(20 + options + icmp.length);
  out[0] = 0x45 + options / 4;
  out[9] = protocol;
  out.set(icmp, 20 + options);
  return out;
}
function answered(family: 4 | 6, request: Uint8Array): Uint8Array {
  const out = request.slice();
  out[0] = family === 4 ? 0 : 129;
  return out;
}

describe("RFC 792, RFC 4443 §4.1: echo", () => {
  test("a request has the size that was asked for, and a checksum", () => {
    const request = encodeEcho(4, ECHO, 1492);
    expect(request.length).toBe(1472);
    expect(checksum(request)).toBe(0);
    expect(encodeEcho(6, ECHO, 1492).length).toBe(1452);
  });
  test("its answer is understood, with options in the header, too", () => {
    const answer = { kind: "answer", echo: ECHO, size: 1200 };
    expect(decodeEcho(4, inIpv4(answered(4, encodeEcho(4, ECHO, 1200))))).toEqual(answer);
    expect(decodeEcho(4, inIpv4(answered(4, encodeEcho(4, ECHO, 1200)), 1, 8))).toEqual(answer);
    expect(decodeEcho(6, answered(6, encodeEcho(6, ECHO, 1200)))).toEqual(answer);
  });
  test("requests of others are no answers", () => {
    expect(decodeEcho(4, inIpv4(encodeEcho(4, ECHO, 100)))).toEqual({ kind: "other" });
    expect(decodeEcho(6, encodeEcho(6, ECHO, 100))).toEqual({ kind: "other" });
    expect(decodeEcho(4, inIpv4(answered(4, encodeEcho(4, ECHO, 100)), 17))).toEqual({ kind: "other" });
  });
});

describe("RFC 1191 §4, RFC 4443 §3.2: too big", () => {
  const heard = { kind: "too-big", id: 0x1234, sequence: 7, mtu: 1400 };
  test("what the router quotes is recognized", () => {
    const error4 = Uint8Array.from([3, 4, 0, 0, 0, 0, 5, 0x78, ...inIpv4(encodeEcho(4, ECHO, 1500)).subarray(0, 28)]);
    expect(decodeEcho(4, inIpv4(error4))).toEqual(heard);
    const quoted = new Uint8Array(48);
    quoted[6] = 58;
    quoted.set(encodeEcho(6, ECHO, 1500).subarray(0, 8), 40);
    expect(decodeEcho(6, Uint8Array.from([2, 0, 0, 0, 0, 0, 5, 0x78, ...quoted]))).toEqual(heard);
  });
  test("about packets of other protocols, or cut too short, it is not ours", () => {
    const udp = inIpv4(encodeEcho(4, ECHO, 100), 17).subarray(0, 28);
    expect(decodeEcho(4, inIpv4(Uint8Array.from([3, 4, 0, 0, 0, 0, 5, 0x78, ...udp])))).toEqual({ kind: "other" });
    const short = inIpv4(encodeEcho(4, ECHO, 100)).subarray(0, 24);
    expect(decodeEcho(4, inIpv4(Uint8Array.from([3, 4, 0, 0, 0, 0, 5, 0x78, ...short])))).toEqual({ kind: "other" });
  });
});

test("any octets are survived", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 128 }), fc.constantFrom(4 as const, 6 as const), (bytes, family) => {
      expect(["answer", "too-big", "other"]).toContain(decodeEcho(family, bytes).kind);
    }),
  );
});
