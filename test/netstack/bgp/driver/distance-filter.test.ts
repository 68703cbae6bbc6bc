import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains, type Ip, ipOfOctets, ipv4, isIpv4, masked, octetsOfIp } from "../../../../base/address.ts";
import { type Distance, distanceFilter } from "../../../../netstack/bgp/driver/distance-filter.ts";
import type { BpfInstruction } from "../../../../netstack/kernel/bpf.ts";

/** Whether a classic BPF program lets a packet pass; offsets count from its network header. */
function passes(program: readonly BpfInstruction[], packet: Uint8Array): boolean {
  const view = new DataView(packet.buffer);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const [code, whenTrue, whenFalse, k] = program[at] ?? [0, 0, 0, 0];
    if (code === 0x20) accumulator = view.getUint32(k + 0x100000);
    else if (code === 0x30) accumulator = view.getUint8(k + 0x100000);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) at += accumulator === k ? whenTrue : whenFalse;
    else if (code === 0x35) at += accumulator >= k ? whenTrue : whenFalse;
    else if (code === 0x06) return k !== 0;
    else throw new Error(`instruction ${code}`);
  }
}

function packet(source: Ip, ttl: number): Uint8Array {
  const v4 = isIpv4(source);
  const out = new Uint8Array(40);
  out[v4 ? 8 : 7] = ttl;
  out.set(octetsOfIp(source), v4 ? 12 : 8);
  return out;
}

describe("RFC 5082 §3: the filter of a listener", () => {
  test.each([
    ["IPv4", 4],
    ["IPv6", 16],
  ] as const)("over %s the first peer that a packet may be of decides by its TTL; all others pass", (_, size) => {
    // Few different octets, so that addresses meet prefixes.
    const ip = fc
      .array(fc.constantFrom(0, 1, 0x80), { minLength: size, maxLength: size })
      .map((octets) => ipOfOctets(Uint8Array.from(octets)));
    const distance = fc.tuple(ip, fc.integer({ min: 0, max: size * 8 }), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(
        fc.array(distance, { minLength: 1, maxLength: 8 }),
        ip,
        fc.integer({ min: 1, max: 255 }),
        (raw, source, ttl) => {
          const all = raw.map(
            ([at, length, minTtl]): Distance => ({ peer: { ip: masked(at, length), length }, minTtl }),
          );
          const program = distanceFilter(size === 16, all);
          if (program === undefined) throw new Error("no program");
          const deciding = all.find(({ peer }) => contains(peer, source));
          expect(passes(program, packet(source, ttl))).toBe(deciding === undefined || ttl >= deciding.minTtl);
        },
      ),
    );
  });

  test("nobody to look at, or too many: no filter", () => {
    const one: Distance = { peer: { ip: ipv4("192.0.2.1"), length: 32 }, minTtl: 255 };
    expect(distanceFilter(true, [one])).toBeUndefined();
    expect(distanceFilter(false, [])).toBeUndefined();
    expect(distanceFilter(false, [one])?.length).toBe(7);
    expect(
      distanceFilter(
        false,
        Array.from({ length: 700 }, () => one),
      ),
    ).toBeUndefined();
  });
});
