/** Octets of STAMP: what is refused and why, and that what is written is read. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BASE,
  decodeReflected,
  decodeSender,
  type ErrorEstimate,
  encodeReflected,
  encodeSender,
  OWN_ESTIMATE,
} from "../../../sdwan/probe/packet.ts";
import { ntpOf, ofNtp } from "../../../sdwan/probe/timestamp.ts";
import * as tlv from "../../../sdwan/probe/tlv.ts";
import { seal } from "./world.ts";

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** From 2001 to 2099: over the end of an era of NTP. */
const at = fc.integer({ min: 1_000_000_000_000, max: 4_100_000_000_000 }).map((whole) => whole + 0.25);
const estimate: fc.Arbitrary<ErrorEstimate> = fc.record({
  synchronised: fc.boolean(),
  format: fc.constantFrom("ntp", "ptp"),
  scale: fc.integer({ min: 0, max: 63 }),
  multiplier: fc.integer({ min: 1, max: 255 }),
});
const sender = fc.record({ sequence: u32, at, estimate, session: u16 });
const counters = fc.record({ senderTx: u32, reflectorRx: u32, reflectorTx: u32 });

describe("what is written is read", () => {
  test("a sender's packet", () => {
    fc.assert(
      fc.property(sender, (packet) => {
        const bytes = encodeSender(packet, seal);
        expect(bytes.length).toBe(BASE);
        expect(decodeSender(bytes, seal)).toEqual({ ok: true, value: packet });
      }),
    );
  });

  test("an answer, with the sender's own words in it", () => {
    const answer = fc.record({
      sequence: u32,
      at,
      estimate,
      receivedAt: at,
      senderTtl: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(sender, answer, (request, packet) => {
        const bytes = encodeReflected(packet, encodeSender(request, seal), seal);
        expect(bytes.length).toBe(BASE);
        const { sequence, at: senderAt, estimate: senderEstimate, session } = request;
        const value = { ...packet, session, senderSequence: sequence, senderAt, senderEstimate };
        expect(decodeReflected(bytes, seal)).toEqual({ ok: true, value });
      }),
    );
  });

  test("timestamps of NTP, to a quarter of a microsecond", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 4_200_000_000_000, noNaN: true }), (milliseconds) => {
        expect(Math.abs(ofNtp(...ntpOf(milliseconds)) - milliseconds)).toBeLessThan(0.000_25);
      }),
    );
  });

  test("counters there and back", () => {
    fc.assert(
      fc.property(counters, u32, u32, (values, request, reply) => {
        const out = tlv.encodeCounters({ ...values, reflectorRx: 0, reflectorTx: 0 }, request, seal);
        const back = tlv.reflect(out, { request, reply }, values, seal);
        expect(back.length).toBe(out.length);
        expect(tlv.decodeReflected(back, reply, seal)).toEqual({ ok: true, value: { counters: values } });
      }),
    );
  });
});

describe("refusals have names", () => {
  const good = encodeSender({ sequence: 1, at: 1e12, estimate: OWN_ESTIMATE, session: 7 }, seal);
  const answer = encodeReflected(
    { sequence: 1, at: 1e12, estimate: OWN_ESTIMATE, receivedAt: 1e12, senderTtl: 255 },
    good,
    seal,
  );
  const refusal = (bytes: Uint8Array): unknown => {
    const decoded = decodeSender(bytes, seal);
    return decoded.ok ? undefined : decoded.error;
  };
  /** With a digest that is right again. */
  const resealed = (bytes: Uint8Array, at_: number, octet: number): Uint8Array => {
    const out = bytes.slice();
    out[at_] = octet;
    out.set(seal(out.subarray(0, 96)).subarray(0, 16), 96);
    return out;
  };
  test("short", () => expect(refusal(good.subarray(0, 111))).toEqual({ kind: "short", have: 111 }));
  test("bad-hmac: any octet of the first 96, or of the digest, that is another one", () => {
    for (const place of [0, 5, 20, 27, 95, 96, 111]) {
      const bytes = good.slice();
      bytes[place] = (bytes[place] ?? 0) ^ 1;
      expect(refusal(bytes)).toEqual({ kind: "bad-hmac" });
      const back = answer.slice();
      back[place] = (back[place] ?? 0) ^ 1;
      expect(decodeReflected(back, seal)).toEqual({ ok: false, error: { kind: "bad-hmac" } });
    }
  });
  test("bad-estimate: a multiplier of zero (RFC 4656 §4.1.2)", () => {
    expect(refusal(resealed(good, 25, 0))).toEqual({ kind: "bad-estimate" });
    expect(decodeReflected(resealed(answer, 25, 0), seal)).toEqual({ ok: false, error: { kind: "bad-estimate" } });
    expect(decodeReflected(resealed(answer, 73, 0), seal)).toEqual({ ok: false, error: { kind: "bad-estimate" } });
  });
  test("looped: an answer that somebody sends back as a probe", () => {
    expect(refusal(answer)).toEqual({ kind: "looped" });
  });

  const extended = tlv.encodeCounters({ senderTx: 1, reflectorRx: 2, reflectorTx: 3 }, 9, seal);
  const refusalOf = (bytes: Uint8Array): unknown => {
    const decoded = tlv.decodeReflected(bytes, 9, seal);
    return decoded.ok ? undefined : decoded.error;
  };
  test("bad-tlv: cut off, or of another length than its type has", () => {
    expect(refusalOf(extended.subarray(0, 35))).toEqual({ kind: "bad-tlv", offset: 16 });
    expect(refusalOf(extended.subarray(0, 18))).toEqual({ kind: "bad-tlv", offset: 16 });
    const other = extended.slice();
    other[3] = 8;
    expect(refusalOf(other)).toEqual({ kind: "bad-tlv", offset: 0 });
  });
  test("bad-tlv-hmac: changed, missing, of another packet, not the last", () => {
    const changed = extended.slice();
    changed[5] = 1;
    expect(refusalOf(changed)).toEqual({ kind: "bad-tlv-hmac" });
    expect(refusalOf(extended.subarray(0, 16))).toEqual({ kind: "bad-tlv-hmac" });
    expect(tlv.decodeReflected(extended, 10, seal)).toEqual({ ok: false, error: { kind: "bad-tlv-hmac" } });
    const first = new Uint8Array([...extended.subarray(16), ...extended.subarray(0, 16)]);
    expect(refusalOf(first)).toEqual({ kind: "bad-tlv-hmac" });
  });
  test("tlv-refused-by-peer: flags M and I", () => {
    for (const flag of [0x40, 0x20]) {
      const bytes = extended.slice();
      bytes[0] = flag;
      expect(refusalOf(bytes)).toEqual({ kind: "tlv-refused-by-peer", flags: flag });
    }
  });
  test("counters that the reflector did not fill in (flag U) are none", () => {
    expect(tlv.decodeReflected(extended, 9, seal)).toEqual({ ok: true, value: { counters: undefined } });
  });
});

test("no octets at all make a decoder throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decodeSender(bytes, seal);
      decodeReflected(bytes, seal);
      tlv.decodeReflected(bytes, 1, seal);
      expect(tlv.reflect(bytes, { request: 1, reply: 2 }, { reflectorRx: 1, reflectorTx: 1 }, seal).length).toBe(
        bytes.length,
      );
    }),
  );
});
