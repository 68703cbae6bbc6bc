/** The kernel's filter, run as the kernel runs it. */
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, isIpv4, octetsOfIp } from "../../../../base/address.ts";
import { controlFilter, type Welcome } from "../../../../netstack/bfd/driver/filter.ts";

const V4: Welcome = { family: 4, least: 255, sources: [ipv4("10.0.0.2"), ipv4("10.0.0.3"), ipv6("fd00::2")] };
const V6: Welcome = { ...V4, family: 6 };

describe("packets that reach pulse", () => {
  test.each<readonly [string, Welcome, Ip, number, boolean]>([
    ["a peer's", V4, ipv4("10.0.0.2"), 255, true],
    ["another peer's", V4, ipv4("10.0.0.3"), 255, true],
    ["a stranger's", V4, ipv4("10.0.0.4"), 255, false],
    ["a peer's that came too far", V4, ipv4("10.0.0.2"), 254, false],
    ["a peer's over IPv6", V6, ipv6("fd00::2"), 255, true],
    ["a stranger's over IPv6", V6, ipv6("fd00::3"), 255, false],
    ["one that differs in its first word", V6, ipv6("fd01::2"), 255, false],
    ["a stranger's where anybody may come", { ...V4, sources: undefined }, ipv4("10.0.0.4"), 255, true],
    ["one from afar where that is welcome", { ...V4, least: 64 }, ipv4("10.0.0.2"), 64, true],
    ["one from farther", { ...V4, least: 64 }, ipv4("10.0.0.2"), 63, false],
  ])("%s", (_name, welcome, from, ttl, welcomed) => {
    expect(run(welcome, from, ttl, 5)).toBe(welcomed);
    // one in sixteen of what is dropped is shown
    expect(run(welcome, from, ttl, 32)).toBe(true);
  });
  test("four thousand peers are too many for a filter, and still served", () => {
    const sources = Array.from({ length: 4000 }, (_, index) => (index + 1) as Ip);
    expect(controlFilter({ ...V4, sources }).length).toBeLessThan(20);
    expect(run({ ...V4, sources }, ipv4("10.0.0.4"), 255, 5)).toBe(true);
  });
});

/** Just the instructions that are used; jumps count from the next one. */
function run(welcome: Welcome, from: Ip, ttl: number, random: number): boolean {
  const header = new Uint8Array(40);
  header[isIpv4(from) ? 8 : 7] = ttl;
  header.set(octetsOfIp(from), isIpv4(from) ? 12 : 8);
  const view = new DataView(header.buffer);
  const program = controlFilter(welcome);
  let a = 0;
  for (let at = 0; ; at++) {
    const [code, yes, no, k] = program[at] ?? [0, 0, 0, 0];
    if (code === 0x30) a = view.getUint8(k + 0x100000);
    else if (code === 0x20) a = k === -0x1000 + 56 ? random : view.getUint32(k + 0x100000);
    else if (code === 0x54) a &= k;
    else if (code === 0x15) at += a === k ? yes : no;
    else if (code === 0x35) at += a >= k ? yes : no;
    else if (code === 0x06) return k !== 0;
    else throw new Error(`instruction ${code} at ${at}`);
  }
}
