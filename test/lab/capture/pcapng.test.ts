import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, enhancedPacket, interfaceDescription, sectionHeader } from "../../../lab/capture/pcapng.ts";

describe("pcapng", () => {
  const octets = fc.uint8Array({ maxLength: 100 });
  const frame = fc.record({ index: fc.nat(2), stamp: fc.bigInt(0n, 2n ** 63n), more: fc.nat(2000), octets });
  test("§4.1–§4.3: what is written is read", () => {
    fc.assert(
      fc.property(fc.array(frame), (frames) => {
        const names = ["a.eth0", "b.eth0", "client.eth0"];
        const bytes = Buffer.concat([
          sectionHeader(),
          ...names.map((name) => interfaceDescription(name, 100)),
          ...frames.map((each) => enhancedPacket(each.index, each.stamp, each.octets.length + each.more, each.octets)),
        ]);
        const read = decode(bytes);
        if (!read.ok) throw new TypeError(`refused at ${read.error.offset}`);
        expect(read.value.map((each) => ({ ...each, octets: [...each.octets] }))).toEqual(
          frames.map((each) => ({
            port: names[each.index],
            stamp: each.stamp,
            length: each.octets.length + each.more,
            octets: [...each.octets],
          })),
        );
      }),
    );
  });
  test("a file cut short gives what is whole", () => {
    const bytes = Buffer.concat([
      sectionHeader(),
      interfaceDescription("a", 64),
      enhancedPacket(0, 1n, 3, Uint8Array.of(1, 2, 3)),
      enhancedPacket(0, 2n, 3, Uint8Array.of(1, 2, 3)),
    ]);
    const read = decode(bytes.subarray(0, bytes.length - 1));
    expect(read.ok && read.value.map((each) => each.stamp)).toEqual([1n]);
  });
  test("survives any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        decode(Buffer.concat([sectionHeader(), interfaceDescription("a", 64), octets]));
      }),
    );
  });
});
