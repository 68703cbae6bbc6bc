import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Reader, Writer } from "../../../netstack/wire/cursor.ts";

describe("Reader", () => {
  test("reads what Writer wrote", () => {
    const numbers = fc.record({
      a: fc.nat(0xff),
      b: fc.nat(0xffff),
      c: fc.nat(0xffff_ffff),
      d: fc.nat(2 ** 48 - 1),
      e: fc.nat(Number.MAX_SAFE_INTEGER),
      rest: fc.uint8Array({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(numbers, ({ a, b, c, d, e, rest }) => {
        const bytes = new Writer(new Uint8Array(64)).u8(a).u16(b).u32(c).u48(d).u64(e).put(rest).zeros(2).written();
        const reader = new Reader(bytes);
        expect([reader.u8(), reader.u16(), reader.u32(), reader.u48(), reader.u64()]).toEqual([a, b, c, d, e]);
        expect(reader.bytes(rest.length)).toEqual(rest);
        expect(reader.u16()).toBe(0);
        expect([reader.remaining, reader.short]).toEqual([0, false]);
      }),
    );
  });

  test("past its end it yields zeros, says so, and reads nothing more", () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3));
    expect(reader.u16()).toBe(0x0102);
    expect(reader.u16()).toBe(0);
    expect(reader.short).toBe(true);
    expect(reader.u8()).toBe(0);
    expect(reader.bytes(1)).toEqual(new Uint8Array(0));
  });

  test("sub cannot see past the length that it was given", () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3, 4));
    const inner = reader.sub(2);
    expect([inner.u8(), inner.u8(), inner.u8(), inner.short]).toEqual([1, 2, 0, true]);
    expect([reader.u8(), reader.short]).toEqual([3, false]);
    expect(reader.sub(2).short).toBe(true);
    expect(reader.short).toBe(true);
  });

  test("a u64 that a double cannot hold is no number", () => {
    expect(new Reader(Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0)).u64()).toBeUndefined();
    expect(new Reader(Uint8Array.of(0, 0x1f, 255, 255, 255, 255, 255, 255)).u64()).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("Writer", () => {
  test("a value that does not fit its field, or its buffer, is a bug of the caller", () => {
    const writer = new Writer(new Uint8Array(2));
    expect(() => writer.u8(256)).toThrow(TypeError);
    expect(() => writer.u8(-1)).toThrow(TypeError);
    expect(() => writer.u8(0.5)).toThrow(TypeError);
    expect(() => writer.u32(1)).toThrow(TypeError);
    expect(writer.length).toBe(0);
  });
});
