import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrame, FRAME_MAX, FrameReader } from "../../../netstack/kernel/frames.ts";

describe("frames", () => {
  test("any messages cut anywhere arrive as they were sent", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (messages, cuts) => {
          const reader = new FrameReader();
          const octets = Buffer.concat(messages.map((message) => encodeFrame(message)));
          const got: unknown[] = [];
          for (let at = 0; at < octets.length; ) {
            const length = cuts.next().value ?? 1;
            const pushed = reader.push(octets.subarray(at, at + length));
            if (!pushed.ok) throw new Error(pushed.error.kind);
            got.push(...pushed.value);
            at += length;
          }
          expect(got).toEqual(messages.map((message): unknown => JSON.parse(JSON.stringify(message))));
        },
      ),
    );
  });

  test("a length above the limit is refused before anything of it is stored", () => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(FRAME_MAX + 1);
    expect(new FrameReader().push(head)).toEqual({ ok: false, error: { kind: "too-long", length: FRAME_MAX + 1 } });
    head.writeUInt32LE(FRAME_MAX);
    expect(new FrameReader().push(head)).toEqual({ ok: true, value: [] });
  });

  test("octets that are no JSON are refused", () => {
    expect(new FrameReader().push(Buffer.from("01000000" + "7b", "hex"))).toEqual({
      ok: false,
      error: { kind: "not-json", length: 1 },
    });
    expect(new FrameReader().push(Buffer.from("00000000", "hex"))).toEqual({
      ok: false,
      error: { kind: "not-json", length: 0 },
    });
  });

  test("what JSON cannot carry is a bug of the caller", () => {
    expect(() => encodeFrame(undefined)).toThrow(TypeError);
  });
});
