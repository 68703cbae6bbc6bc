/** STAMP: what the standards say with MUST, and octets written out by hand from their figures. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hex } from "../../base/octets.ts";
import { instant } from "../../base/unit.ts";
import { decodeReflected, decodeSender, encodeReflected, encodeSender, type Seal } from "../../sdwan/probe/packet.ts";
import { Reflector, reply } from "../../sdwan/probe/reflector.ts";
import { StampSession } from "../../sdwan/probe/stamp.ts";
import { decodeReflected as decodeTlvs, encodeCounters, reflect } from "../../sdwan/probe/tlv.ts";

const KEY = Buffer.alloc(32, 0x0b);
const seal: Seal = (bytes) => createHmac("sha256", KEY).update(bytes).digest();
/** 2026-11-20T12:00:00.500Z */
const AT = Date.UTC(2026, 10, 20, 12, 0, 0, 500);
/** The same in NTP's format: seconds since 1900 and half of 2^32. */
const NTP = "eeaab4c080000000";
const ESTIMATE = { synchronised: true, format: "ntp", scale: 2, multiplier: 3 } as const;
const PEER = "10.0.0.1";
const arrival = { address: PEER, port: 50_000, ttl: 64, receivedAt: AT };

function field(bytes: Uint8Array, at: number, length: number): string {
  return hex(bytes.subarray(at, at + length));
}
function ready(): Reflector {
  const reflector = new Reflector();
  reflector.configure(new Map([[PEER, [{ id: "k", seal }]]]));
  return reflector;
}

describe("RFC 8762 §4.2.2: the sender's packet in authenticated mode", () => {
  const bytes = encodeSender({ sequence: 0x01020304, at: AT, estimate: ESTIMATE, session: 0 }, seal);
  test("112 octets, each field in its place, MBZ fields zero", () => {
    expect(bytes.length).toBe(112);
    expect(field(bytes, 0, 4)).toBe("01020304");
    expect(field(bytes, 4, 12)).toBe("00".repeat(12));
    expect(field(bytes, 16, 8)).toBe(NTP);
    expect(field(bytes, 24, 2)).toBe("8203");
    expect(field(bytes, 26, 70)).toBe("00".repeat(70));
  });
  test("§4.4: HMAC-SHA-256 over the first 96 octets, truncated to 128 bits", () => {
    const digest = createHmac("sha256", KEY).update(bytes.subarray(0, 96)).digest("hex");
    expect(field(bytes, 96, 16)).toBe(digest.slice(0, 32));
  });
});

describe("RFC 8762 §4.3.2: the reflector's packet in authenticated mode", () => {
  const request = encodeSender({ sequence: 0x0a0b0c0d, at: AT, estimate: ESTIMATE, session: 0x1234 }, seal);
  const packet = { sequence: 7, at: AT, estimate: ESTIMATE, receivedAt: AT - 500, senderTtl: 254 };
  const bytes = encodeReflected(packet, request, seal);
  test("112 octets, each field in its place", () => {
    expect(bytes.length).toBe(112);
    expect(field(bytes, 0, 4)).toBe("00000007");
    expect(field(bytes, 4, 12)).toBe("00".repeat(12));
    expect(field(bytes, 16, 8)).toBe(NTP);
    expect(field(bytes, 24, 2)).toBe("8203");
    expect(field(bytes, 32, 8)).toBe("eeaab4c000000000");
    expect(field(bytes, 40, 8)).toBe("00".repeat(8));
    expect(field(bytes, 52, 12)).toBe("00".repeat(12));
    expect(field(bytes, 74, 6)).toBe("00".repeat(6));
    expect(field(bytes, 80, 1)).toBe("fe");
    expect(field(bytes, 81, 15)).toBe("00".repeat(15));
  });
  test("the sender's sequence number, timestamp and error estimate are copied", () => {
    expect(field(bytes, 48, 4)).toBe("0a0b0c0d");
    expect(field(bytes, 64, 8)).toBe(NTP);
    expect(field(bytes, 72, 2)).toBe("8203");
  });
  test("RFC 8972 §3: the session identifier is copied", () => {
    expect(field(request, 26, 2)).toBe("1234");
    expect(field(bytes, 26, 2)).toBe("1234");
  });
});

describe("RFC 8762 §4.2.1, §4.6: fields of others", () => {
  test("a timestamp of PTP (Z of the error estimate) is read and goes back as it came", () => {
    const request = encodeSender({ sequence: 1, at: AT, estimate: { ...ESTIMATE, format: "ptp" }, session: 0 }, seal);
    expect(field(request, 16, 8)).toBe("6b0036401dcd6500");
    expect(decodeSender(request, seal)).toMatchObject({ ok: true, value: { at: AT } });
    const packet = { sequence: 7, at: AT, estimate: ESTIMATE, receivedAt: AT, senderTtl: 1 };
    const answer = encodeReflected(packet, request, seal);
    expect(field(answer, 64, 8)).toBe("6b0036401dcd6500");
    expect(decodeReflected(answer, seal)).toMatchObject({ ok: true, value: { senderAt: AT } });
  });
});

describe("RFC 8762 §4.3: a stateful reflector", () => {
  test("its sequence number counts what it reflected, independently of the sender's", () => {
    const reflector = ready();
    const counted = [3, 5, 9].map((sequence) => {
      const bytes = encodeSender({ sequence, at: AT, estimate: ESTIMATE, session: 1 }, seal);
      const accepted = reflector.receive(bytes, arrival, instant(1));
      return accepted.ok ? accepted.value.reflected : undefined;
    });
    expect(counted).toEqual([0, 1, 2]);
  });
  test("§4.4: a packet whose HMAC does not match is discarded", () => {
    const bytes = encodeSender({ sequence: 1, at: AT, estimate: ESTIMATE, session: 1 }, seal).slice();
    bytes[100] = (bytes[100] ?? 0) ^ 0x80;
    expect(ready().receive(bytes, arrival, instant(1))).toEqual({ ok: false, error: { kind: "bad-hmac" } });
  });
});

describe("RFC 8972 §4: flags of TLVs", () => {
  const now = { reflectorRx: 0x11, reflectorTx: 0x22 };
  const numbers = { request: 5, reply: 6 };
  const counters = encodeCounters({ senderTx: 0x33, reflectorRx: 0, reflectorTx: 0 }, 5, seal);
  test("a sender sets U and clears M and I", () => {
    expect([counters[0], counters[16]]).toEqual([0x80, 0x80]);
  });
  test("§4.5: type 5, 12 octets: the sender's counter, the reflector's received, the reflector's sent", () => {
    expect(field(counters, 1, 3)).toBe("05000c");
    const back = reflect(counters, numbers, now, seal);
    expect(field(back, 0, 16)).toBe("0005000c000000330000001100000022");
  });
  test("§4.5: where the counters would be others', too, the type is one that is not known: U stays, proved like the rest", () => {
    const back = reflect(counters, numbers, undefined, seal);
    expect(field(back, 0, 16)).toBe("8005000c000000330000000000000000");
    expect(decodeTlvs(back, 6, seal)).toEqual({ ok: true, value: { counters: undefined } });
  });
  test("§4.8: the HMAC TLV is of type 8 and covers the sequence number and the TLVs before it, there and back", () => {
    const digest = (sequence: number, tlvs: Uint8Array): string =>
      createHmac("sha256", KEY)
        .update(Uint8Array.of(0, 0, 0, sequence, ...tlvs.subarray(0, 16)))
        .digest("hex")
        .slice(0, 32);
    expect(field(counters, 17, 3)).toBe("080010");
    expect(field(counters, 20, 16)).toBe(digest(5, counters));
    const back = reflect(counters, numbers, now, seal);
    expect(field(back, 16, 4)).toBe("00080010");
    expect(field(back, 20, 16)).toBe(digest(6, back));
  });
  test("§4: a type that is not known goes back with U, one that is malformed with M", () => {
    const strange = encodeCounters({ senderTx: 1, reflectorRx: 2, reflectorTx: 3 }, 5, seal).slice();
    strange[1] = 200;
    const text = Uint8Array.of(0, 0, 0, 5, ...strange.subarray(0, 16));
    strange.set(seal(text).subarray(0, 16), 20);
    expect(reflect(strange, numbers, now, seal)[0]).toBe(0x80);
    const long = counters.slice();
    long[3] = 60;
    expect((reflect(long, numbers, now, seal)[0] ?? 0) & 0x40).toBe(0x40);
  });
  test("§4.8: when the HMAC TLV does not match, all TLVs go back with I and nothing filled in", () => {
    const altered = counters.slice();
    altered[7] = 0x99;
    const back = reflect(altered, numbers, now, seal);
    expect([(back[0] ?? 0) & 0x20, (back[16] ?? 0) & 0x20]).toEqual([0x20, 0x20]);
    expect(field(back, 4, 12)).toBe(field(altered, 4, 12));
  });
  test("§4.8: Extra Padding may follow the HMAC TLV, anything else may not", () => {
    const padded = Uint8Array.from([...counters, 0x80, 1, 0, 2, 0xaa, 0xbb]);
    const back = reflect(padded, numbers, now, seal);
    expect(field(back, 8, 8)).toBe("0000001100000022");
    expect(field(back, 36, 6)).toBe("00010002aabb");
    const followed = Uint8Array.from([...counters, 0x80, 3, 0, 0]);
    expect((reflect(followed, numbers, now, seal)[0] ?? 0) & 0x20).toBe(0x20);
  });
});

describe("a round trip (RFC 8762 §4.2, figure of the times)", () => {
  test("is (T4 − T1) − (T3 − T2), and each way alone is what the clocks say", () => {
    const session = new StampSession(seal, 9);
    const request = session.packet(1, { wall: AT, boot: 0 }, 10);
    const accepted = ready().receive(request, { ...arrival, receivedAt: AT + 5000 + 20 }, instant(1));
    if (!accepted.ok) throw new Error(accepted.error.kind);
    const answer = reply(accepted.value, AT + 5000 + 27, { received: 11, sent: 12 });
    expect(session.read(answer, { wall: AT + 40, boot: 40 })).toMatchObject({
      ok: true,
      value: {
        number: 1,
        rtt: 33,
        out: 5020,
        back: -4987,
        held: 7,
        reflector: 0,
        counters: { senderTx: 10, reflectorRx: 11 },
      },
    });
  });
  test("what is of another session, was never asked, or was altered is refused", () => {
    const [one, two] = [new StampSession(seal, 1), new StampSession(seal, 2)];
    const at = { wall: AT, boot: 0 };
    const request = one.packet(1, at, 0);
    const accepted = ready().receive(request, arrival, instant(1));
    if (!accepted.ok) throw new Error(accepted.error.kind);
    const answer = reply(accepted.value, AT, { received: 0, sent: 0 });
    const refusal = (session: StampSession): unknown => {
      const read = session.read(answer, at);
      return read.ok ? undefined : read.error.kind;
    };
    two.packet(1, at, 0);
    expect(refusal(two)).toBe("other-session");
    expect(refusal(new StampSession(seal, 1))).toBe("unasked");
    const later = new StampSession(seal, 1);
    later.packet(1, { wall: AT + 1, boot: 0 }, 0);
    expect(refusal(later)).toBe("altered");
  });
});
