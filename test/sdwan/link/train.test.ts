/** Packet trains: what they say, and what their gaps tell. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sameSecret } from "../../../base/octets.ts";
import { type Arrival, decodeTrain, encodeTrain, median, rateOf, type TrainPacket } from "../../../sdwan/link/train.ts";

const sign = (octets: Uint8Array): Uint8Array => createHmac("sha256", "key").update(octets).digest();
const verify = (octets: Uint8Array, tag: Uint8Array): boolean => sameSecret(sign(octets).subarray(0, 16), tag);

const u16 = fc.integer({ min: 0, max: 0xffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const packets: fc.Arbitrary<TrainPacket> = fc.oneof(
  fc.record({ kind: fc.constant("ask" as const), train: u64, count: u16, size: u16, stamp: u64 }),
  fc.record({ kind: fc.constant("wagon" as const), train: u64, index: u16, count: u16 }),
  fc.record({
    kind: fc.constant("result" as const),
    train: u64,
    received: u16,
    count: u16,
    bits: fc.integer({ min: 0, max: 1e12 }),
  }),
);

describe("packets of a train", () => {
  test("are what they were, at any size", () => {
    fc.assert(
      fc.property(packets, fc.integer({ min: 44, max: 1500 }), (packet, size) => {
        const octets = encodeTrain(packet, sign, size);
        expect(octets.length).toBe(size);
        expect(decodeTrain(octets, verify)).toEqual({ ok: true, value: packet });
      }),
    );
  });
  test("a changed octet of what counts is a forgery, or not a train", () => {
    const good = encodeTrain({ kind: "ask", train: 7n, count: 60, size: 1400, stamp: 9n }, sign, 60);
    for (let at = 0; at < 44; at++) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ 1;
      expect(decodeTrain(bad, verify).ok).toBe(false);
    }
  });
  test("each refusal has its name; any octets are survived", () => {
    const good = encodeTrain({ kind: "wagon", train: 7n, index: 1, count: 60 }, sign);
    const refusal = (octets: Uint8Array): unknown => decodeTrain(octets, verify);
    expect(refusal(good.subarray(0, 43))).toMatchObject({ error: { kind: "short" } });
    expect(refusal(Uint8Array.from([0, ...good.subarray(1)]))).toMatchObject({ error: { kind: "foreign" } });
    expect(refusal(Uint8Array.from([...good.subarray(0, 5), 9, ...good.subarray(6)]))).toMatchObject({
      error: { kind: "unknown-kind" },
    });
    expect(decodeTrain(good, () => false)).toMatchObject({ error: { kind: "forged" } });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => {
        expect(decodeTrain(octets, verify).ok).toBe(false);
      }),
    );
  });
});

describe("bandwidth", () => {
  /** A line of so many bits per second, which lets the first ones pass at once. */
  const train = (bits: number, octets: number, burst = 0): readonly Arrival[] =>
    Array.from({ length: 60 }, (_, index) => ({
      index,
      stamp: BigInt(Math.round(Math.max(0, index - burst) * ((octets * 8e9) / bits))),
    }));
  test.each([1e6, 10e6, 100e6, 1e9])("%d bit/s", (bits) => {
    expect((rateOf(train(bits, 1460), 60, 1460) ?? 0) / bits).toBeCloseTo(1, 3);
  });
  test("a burst that a token bucket lets pass is not the line", () => {
    expect((rateOf(train(10e6, 1460, 18), 60, 1460) ?? 0) / 10e6).toBeCloseTo(1, 3);
  });
  test("half of it lost is too much; nothing, or all in one instant, says nothing", () => {
    const arrivals = train(10e6, 1460);
    expect(
      rateOf(
        arrivals.filter(({ index }) => index % 3 === 0),
        60,
        1460,
      ),
    ).toBeUndefined();
    expect(rateOf([], 60, 1460)).toBeUndefined();
    expect(
      rateOf(
        arrivals.map((each) => ({ ...each, stamp: 5n })),
        60,
        1460,
      ),
    ).toBeUndefined();
  });
  test("of several the median", () => {
    expect([median([]), median([3]), median([9, 1, 5])]).toEqual([undefined, 3, 5]);
  });
});
