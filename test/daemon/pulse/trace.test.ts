/** `novactl trace arp`: what pulse sends and hears about virtual IPs, in words, while somebody asks. */
import { beforeAll, describe, expect, test } from "vitest";
import { formatIp } from "../../../base/address.ts";
import type { TraceLine } from "../../../base/trace.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { NET } from "../../netstack/kernel/station.ts";
import { Pair, planOf } from "./pair.ts";
import type { PulseHost } from "./pulse-host.ts";

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pulse traces", () => {
  test("a claim: probes, transitions and announcements of the address that was asked for, and of no other", async () => {
    await using pair = new Pair();
    const a = pair.pulse("a");
    const vip = formatIp(NET.vip4);
    a.send({ kind: "trace", n: 7, protocol: "arp", peer: vip });
    a.send({ kind: "trace", n: 8, protocol: "bfd", peer: undefined });
    a.send({ kind: "plan", plan: planOf("a") });
    await a.state("v", "owner");
    await a.until("announced", () => lines(a, 7).some(({ text }) => text.startsWith("arp announcement")));
    const seen = lines(a, 7);
    expect(new Set(seen.map(({ peer }) => peer))).toEqual(new Set([vip]));
    expect(seen.some(({ direction, text }) => direction === "out" && text.startsWith("arp probe"))).toBe(true);
    expect(seen.some(({ direction, text }) => direction === "state" && text.includes("v is owner"))).toBe(true);
    expect(lines(a, 8)).toEqual([]);
  });

  test("after untrace nothing more comes", async () => {
    await using pair = new Pair();
    const a = pair.pulse("a");
    a.send({ kind: "trace", n: 1, protocol: "arp", peer: undefined });
    a.send({ kind: "untrace", n: 1 });
    a.send({ kind: "plan", plan: planOf("a") });
    await a.state("v", "owner");
    expect(lines(a, 1)).toEqual([]);
  });
});

function lines(pulse: PulseHost, n: number): readonly TraceLine[] {
  return pulse.messages.flatMap((each) => (each.kind === "trace" && each.n === n ? [each.line] : []));
}
