/** BFD in the pulse process: two of ours against each other, reloads, floods, and ends. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6 } from "../../../base/address.ts";
import { encode } from "../../../netstack/bfd/packet.ts";
import type { BfdTiming } from "../../../netstack/bfd/plan.ts";
import { Sender } from "../../../netstack/kernel/sender.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import { BfdHost, spec, TIMING } from "../../interop/bfd-rig.ts";
import { packet } from "../../netstack/bfd/fixture.ts";
import { Segment, sweep, UNABLE } from "../../netstack/kernel/segment.ts";

const A4 = ipv4("10.0.0.1");
const B4 = ipv4("10.0.0.2");

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("BFD in pulse", () => {
  let segment: Segment;
  let a: BfdHost;
  let b: BfdHost;
  beforeEach(() => {
    segment = new Segment({ a: [A4, ipv6("fd00::1")], b: [B4, ipv6("fd00::2")], c: [ipv4("10.0.0.3")] });
    a = new BfdHost(segment.host("a").namespace);
    b = new BfdHost(segment.host("b").namespace);
  });
  afterEach(async () => {
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    segment[Symbol.dispose]();
  });
  const to = (id: string, peer: string, timing: BfdTiming = TIMING) => spec(id, peer, { ifname: "e0", timing });
  async function bothUp(timing: BfdTiming = TIMING): Promise<void> {
    a.plan([to("4", "10.0.0.2", timing), to("6", "fd00::2", timing)]);
    b.plan([to("4", "10.0.0.1", timing), to("6", "fd00::1", timing)]);
    for (const end of [a, b]) for (const id of ["4", "6"]) await end.up(id);
    await a.until("4", "fast", ({ txInterval }) => txInterval === timing.desiredMinTx);
  }

  test("an equal plan touches nothing; a new one keeps what it names and says farewell to the rest", async () => {
    await bothUp();
    const before = await a.fresh("6");
    const reports = a.reports("6").length;
    a.plan([to("4", "10.0.0.2"), to("6", "fd00::2")]);
    a.plan([to("6", "fd00::2")]);
    await a.pulse.until("4 gone", () => a.pulse.messages.some((each) => each.kind === "bfd-gone" && each.id === "4"));
    expect(await b.down("4")).toMatchObject({ remoteState: "admin-down" });
    expect(a.reports("6").length).toBe(reports);
    const { localDiscriminator, since, flaps } = before;
    expect(await a.fresh("6")).toMatchObject({ state: "up", localDiscriminator, since, flaps });
  });

  test("10 ms x 3 comes up", async () => {
    await bothUp({ ...TIMING, desiredMinTx: 10, requiredMinRx: 10 });
    expect(await a.fresh("4")).toMatchObject({ detectionTime: 30 });
  });

  test("a flood from strangers, of forged discriminators and of garbage: refused by name, nothing moves", async () => {
    await bothUp();
    const c = segment.host("c");
    // A forger on the link: it sends as the peer, which the lab's switch does not forbid.
    c.route.addAddress({ ip: B4, prefixLength: 32, index: c.route.indexOf("lo") });
    const target = encodeInet({ ip: A4, port: 3784 });
    const flood = async (from: Ip, ttl: number, octets: () => Uint8Array): Promise<void> => {
      using sender = c.do(() => new Sender(openUdp({ bind: { ip: from, port: 0 }, ttl, device: "e0" })));
      for (let burst = 0; burst < 20; burst++) {
        for (let count = 0; count < 200; count++) sender.send(octets(), target);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await flood(ipv4("10.0.0.3"), 255, () => encode(packet({ state: "down" })));
    await flood(B4, 64, () => encode(packet({ state: "down" })));
    await flood(B4, 255, () => encode(packet({ state: "down", yourDiscriminator: random() })));
    await flood(B4, 255, () => Uint8Array.of(0x20, 0x40, 3, 24));
    const report = await a.fresh("4");
    expect(report).toMatchObject({ state: "up", flaps: 0 });
    expect(report.refused["ttl"]).toBeGreaterThan(0);
    expect(report.refused["short"]).toBeGreaterThan(0);
    expect(await a.fresh("6")).toMatchObject({ state: "up", flaps: 0 });
    const strays = a.pulse.messages.findLast((each) => each.kind === "bfd-strays");
    expect(strays?.kind === "bfd-strays" && Object.keys(strays.refused).toSorted()).toEqual([
      "no-session",
      "unknown-discriminator",
    ]);
  });

  test("control dies: the sessions end on purpose, once the process does", async () => {
    await bothUp();
    a.pulse.hangUp();
    expect(await b.down("4")).toMatchObject({ remoteState: "admin-down" });
  });

  test("a process that is killed is noticed by its peer", async () => {
    await bothUp();
    a.pulse.child.kill("SIGKILL");
    expect(await b.down("4")).toMatchObject({ diagnostic: "control-detection-expired" });
  });

  test("an interface that goes and comes back under its name is used again", async () => {
    await bothUp();
    const host = segment.host("a");
    host.route.deleteLink("e0");
    await a.down("4");
    segment.attach("a2", host, "e0", [A4, ipv6("fd00::1")]);
    await a.up("4");
    await a.up("6");
  });

  test("trace: packets both ways and transitions, of the peer that was asked for", async () => {
    a.pulse.send({ kind: "trace", n: 3, protocol: "bfd", peer: "10.0.0.2" });
    await bothUp();
    const lines = a.pulse.messages.flatMap((each) => (each.kind === "trace" ? [each.line] : []));
    expect(new Set(lines.map(({ direction }) => direction))).toEqual(new Set(["in", "out", "state"]));
    expect(new Set(lines.map(({ peer }) => peer))).toEqual(new Set(["10.0.0.2"]));
    expect(lines.some(({ text }) => /^up .*my 0x[0-9a-f]+ your 0x[0-9a-f]+ tx 50 rx 50/.test(text))).toBe(true);
  });
});

function random(): number {
  return Math.floor(Math.random() * 0xffff_fffe) + 1;
}
