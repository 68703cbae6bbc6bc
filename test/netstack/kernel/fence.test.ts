/** The lease that the kernel holds, proved by frames on the wire. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Ip, ipv4 } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import { Fence, type Guard } from "../../../netstack/kernel/fence.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { writeSysctl } from "../../../netstack/kernel/sysctl.ts";
import { arpAnnouncement, arpProbe } from "../../../netstack/wire/arp.ts";
import { dadProbe, unsolicitedAdvertisement } from "../../../netstack/wire/ndp.ts";
import { Port } from "./port.ts";
import { type Host, Segment, sweep, UNABLE } from "./segment.ts";
import { answerIn, NET, Station } from "./station.ts";

const ENOBUFS = 105;
const LONG = ms(60_000);
const VIPS: readonly Ip[] = [NET.vip4, NET.vip6];
const GUARDS: readonly Guard[] = VIPS.map((address) => ({ ifname: "e0", address }));
const CLIENT = { ip4: NET.c4, ip6: NET.c6 };
const FAMILIES = [
  { what: "IPv4", vip: NET.vip4, own: NET.a4, client: NET.c4 },
  { what: "IPv6", vip: NET.vip6, own: NET.a6, client: NET.c6 },
] as const;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("the fence around virtual IPs", () => {
  let opened: Disposable[] = [];
  let children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    for (const each of opened.toReversed()) each[Symbol.dispose]();
    opened = [];
    children = [];
  });
  const use = <T extends Disposable>(resource: T): T => {
    opened.push(resource);
    return resource;
  };

  /** Host a with both virtual IPs configured and guarded, and client c. */
  function lab(): { segment: Segment; a: Host; c: Host; fence: Fence; client: Station } {
    const segment = use(new Segment({ a: [NET.a4, NET.a6], c: [NET.c4, NET.c6] }));
    const [a, c] = [segment.host("a"), segment.host("c")];
    const fence = use(a.do(() => new Fence()));
    fence.install(GUARDS);
    a.route.addAddress({ ip: NET.vip4, prefixLength: 32, index: a.index });
    a.route.addAddress({ ip: NET.vip6, prefixLength: 128, index: a.index, noDad: true });
    // A kernel worker joins the address's solicited-node group; before that, multicast questions for it go unheard.
    const group = "ff0200000000000000000001ff000100";
    a.do(() => {
      while (!readFileSync("/proc/thread-self/net/igmp6", "utf8").includes(group)) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    });
    return { segment, a, c, fence, client: use(new Station(c.namespace, "e0")) };
  }

  async function holder(host: Host, ...args: readonly string[]): Promise<ChildProcess> {
    const program = new URL("./programs/holder.ts", import.meta.url).pathname;
    const child = spawnInside(host.namespace, process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    if (child.stdout === null) throw new Error("no output");
    const ended = once(child, "exit").then(() => {
      throw new Error("the holder ended before it was ready");
    });
    await Promise.race([once(child.stdout, "data"), ended]);
    ended.catch(() => undefined);
    return child;
  }

  test.each(FAMILIES)("$what: silent before it is claimed, answers while renewed, silent when forgotten", (ip) => {
    const { fence, client } = lab();
    expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeUndefined();
    expect(fence.claim(VIPS, LONG, LONG, () => true)).toBe(true);
    expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeDefined();
    expect(fence.renew(VIPS, LONG)).toEqual([]);
    expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeDefined();
    fence.forget(VIPS);
    expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeUndefined();
  });

  test.each(FAMILIES)("$what: packets to and from it pass only while it is owned or draining", (ip) => {
    const { a, c, fence, client } = lab();
    const station = use(new Station(a.namespace, "e0"));
    // So that the question is what a does with packets, not whether it is found.
    c.route.replaceNeighbour({ ip: ip.vip, index: c.index, mac: station.mac, state: "permanent" });
    const [vip, own, from] = [use(new Port(a, ip.vip)), use(new Port(a, ip.own)), use(new Port(c, ip.client))];
    const passes = (): readonly boolean[] => {
      from.send(ip.vip, "to the address");
      from.send(ip.own, "to the host");
      expect(own.next(2000)).toBe("to the host");
      const received = vip.next() !== undefined;
      vip.send(ip.client, "from the address");
      own.send(ip.client, "from the host");
      const answers = [from.next(2000), from.next()];
      expect(answers).toContain("from the host");
      return [received, answers.includes("from the address")];
    };
    expect(passes()).toEqual([false, false]);
    fence.claim([ip.vip], LONG, LONG, () => true);
    expect(passes()).toEqual([true, true]);
    fence.drain([ip.vip], LONG);
    expect(passes()).toEqual([true, true]);
    // Draining, it does not answer for the address any more.
    expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeUndefined();
    fence.forget([ip.vip]);
    expect(passes()).toEqual([false, false]);
  });

  test("the lease lapses with no process of ours alive", async () => {
    const { a, client } = lab();
    const child = await holder(a, "500", "renew");
    for (const ip of FAMILIES) expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeDefined();
    child.kill("SIGKILL");
    await once(child, "exit");
    for (const ip of FAMILIES) await untilSilent(() => client.whoHas(ip.vip, ip.own, CLIENT) === undefined);
    // Both addresses are still on the interface: it is the kernel's fence that keeps them silent.
    const there = a.route.addresses(a.index).map((each) => each.ip);
    expect(there).toEqual(expect.arrayContaining([...VIPS]));
  });

  test("a frozen process that wakes cannot announce what it lost", async () => {
    const { a, client } = lab();
    const child = await holder(a, "300", "renew", "e0");
    expect(client.next((frame) => (answerIn(frame)?.ip === NET.vip4 ? true : undefined))).toBe(true);
    expect(client.next((frame) => (answerIn(frame)?.ip === NET.vip6 ? true : undefined))).toBe(true);
    child.kill("SIGSTOP");
    for (const ip of FAMILIES) await untilSilent(() => client.whoHas(ip.vip, ip.own, CLIENT) === undefined);
    client.drain();
    child.kill("SIGCONT");
    // It shouts on, and its other frames get through: twenty rounds of it, and no announcement among them.
    let rounds = 0;
    const announced = client.next((frame) => {
      if (VIPS.includes(answerIn(frame)?.ip ?? NET.a4)) return "announced";
      if (frame[12] === 0x88 && frame[13] === 0xb5) rounds++;
      return rounds >= 20 ? "silent" : undefined;
    }, 10_000);
    expect(announced).toBe("silent");
  });

  test("a lease that has lapsed cannot be renewed, whatever the process believes; the others go on", async () => {
    const { fence, client } = lab();
    fence.claim([NET.vip4], ms(40), LONG, () => true);
    fence.claim([NET.vip6], LONG, LONG, () => true);
    await untilSilent(() => client.whoHas(NET.vip4, NET.a4, CLIENT) === undefined);
    expect(fence.renew(VIPS, LONG)).toEqual([NET.vip4]);
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeUndefined();
    expect(client.whoHas(NET.vip6, NET.a6, CLIENT)).toBeDefined();
    expect(fence.drain(VIPS, LONG)).toEqual([NET.vip4]);
    expect(fence.observe().map(({ set, address }) => [set, address])).toEqual([["draining", NET.vip6]]);
  });

  test("a claim is refused when its process was frozen after it looked at the decision", () => {
    const { fence, client } = lab();
    const frozen = (): boolean => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      return true;
    };
    expect(fence.claim(VIPS, LONG, ms(20), frozen)).toBe(false);
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeUndefined();
    expect(fence.claim(VIPS, LONG, LONG, () => false)).toBe(false);
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeUndefined();
    expect(fence.claim(VIPS, LONG, LONG, () => true)).toBe(true);
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeDefined();
  });

  test("a flushed ruleset ends the leases: renewing says so, and installing brings the fence back", () => {
    const { a, fence, client } = lab();
    fence.claim(VIPS, LONG, LONG, () => true);
    use(a.do(() => new Nftables())).transaction("flush ruleset");
    expect(fence.renew(VIPS, LONG)).toEqual(VIPS);
    expect(fence.drain(VIPS, LONG)).toEqual(VIPS);
    expect(fence.install(GUARDS)).toEqual({ changed: true, missing: [] });
    for (const ip of FAMILIES) expect(client.whoHas(ip.vip, ip.own, CLIENT)).toBeUndefined();
  });

  test("a ruleset that is flushed and put back in time costs no lease; one that has run out does not come back", async () => {
    const { a, fence, client } = lab();
    fence.claim([NET.vip4], LONG, LONG, () => true);
    fence.claim([NET.vip6], ms(40), LONG, () => true);
    await untilSilent(() => client.whoHas(NET.vip6, NET.a6, CLIENT) === undefined);
    use(a.do(() => new Nftables())).transaction("flush ruleset");
    expect(fence.install(GUARDS)).toEqual({ changed: true, missing: [] });
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeDefined();
    expect(client.whoHas(NET.vip6, NET.a6, CLIENT)).toBeUndefined();
    const [left] = fence.observe();
    expect(left?.left).toBeLessThan(LONG);
    expect(fence.renew(VIPS, LONG)).toEqual([NET.vip6]);
  });

  test("an announcement that hides behind a socket of another protocol does not leave", () => {
    const { a, client } = lab();
    const { mac } = use(new Station(a.namespace, "e0"));
    const announcements = [
      arpAnnouncement(mac, NET.vip4, "request"),
      arpAnnouncement(mac, NET.vip4, "reply"),
      unsolicitedAdvertisement(mac, NET.vip6),
    ];
    const honest = arpAnnouncement(mac, NET.a4, "request");
    for (const ethertype of [0x0806, 0x86dd, 0x88b5, 3]) {
      const station = use(new Station(a.namespace, "e0", ethertype));
      client.drain();
      // The sender is told: a frame that the fence drops fails with ENOBUFS.
      for (const frame of announcements) expect(station.trySend(frame)).toBe(ENOBUFS);
      use(new Station(a.namespace, "e0", 0x0806)).send(honest);
      const seen = client.next((frame) => answerIn(frame)?.ip);
      expect(seen, `socket of protocol ${ethertype.toString(16)}`).toBe(NET.a4);
    }
  });

  test("RFC 5227 §2.1.1, RFC 4862 §5.4.2: probes pass in both directions whoever owns the address", () => {
    const { a, client } = lab();
    const station = use(new Station(a.namespace, "e0", 0x0806));
    const station6 = use(new Station(a.namespace, "e0", 0x86dd));
    station.drain();
    station6.drain();
    client.drain();
    station.send(arpProbe(station.mac, NET.vip4));
    station6.send(dadProbe(station.mac, NET.vip6));
    expect(client.next((frame) => isProbe(frame, 0x0806))).toBe(true);
    expect(client.next((frame) => isProbe(frame, 0x86dd))).toBe(true);
    client.send(arpProbe(client.mac, NET.vip4));
    client.send(dadProbe(client.mac, NET.vip6));
    // Sockets of one protocol hear after the ingress hook: these frames were not dropped there.
    expect(station.next((frame) => isProbe(frame, 0x0806))).toBe(true);
    expect(station6.next((frame) => isProbe(frame, 0x86dd))).toBe(true);
  });

  test("the announcement of a new owner is learned by a host that guards the address", () => {
    const { a, client } = lab();
    a.route.deleteAddress(NET.vip4, 32, a.index);
    a.route.replaceNeighbour({ ip: NET.vip4, index: a.index, mac: client.mac, state: "stale" });
    const other = 0x02_00_00_00_00_77 as typeof client.mac;
    client.send(arpAnnouncement(other, NET.vip4, "request"));
    client.send(arpAnnouncement(client.mac, NET.c4, "request"));
    const learned = a.route.neighbours(a.index).find((each) => each.ip === NET.vip4);
    expect(learned?.mac).toBe(other);
  });

  test("an ARP request for the address on another interface than its own gets no answer", () => {
    const { segment, a, fence, client } = lab();
    const other = use(new Segment({ d: [ipv4("10.67.0.9")] }));
    other.attach("d1", a, "e1", [ipv4("10.67.0.1")]);
    fence.claim(VIPS, LONG, LONG, () => true);
    const stranger = use(new Station(other.host("d").namespace, "e0"));
    const asker = { ip4: ipv4("10.67.0.9"), ip6: NET.c6 };
    expect(stranger.whoHas(NET.vip4, ipv4("10.67.0.1"), asker)).toBeUndefined();
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeDefined();
    // Without the fence Linux answers on every interface: the rule is what makes the difference.
    fence.remove();
    expect(stranger.whoHas(NET.vip4, ipv4("10.67.0.1"), asker)).toBeDefined();
    expect(segment.hosts.size).toBe(2);
  });

  test("a router that guards the address and does not have it passes packets on to the owner", () => {
    const near = use(new Segment({ a: [NET.a4], b: [NET.b4] }));
    const far = use(new Segment({ d: [ipv4("10.67.0.9")] }));
    const [router, owner, asker] = [near.host("a"), near.host("b"), far.host("d")];
    far.attach("d1", router, "e1", [ipv4("10.67.0.1")]);
    router.do(() => writeSysctl("net/ipv4/ip_forward", "1"));
    for (const host of [router, owner]) use(host.do(() => new Fence())).install(GUARDS);
    use(owner.do(() => new Fence())).claim([NET.vip4], LONG, LONG, () => true);
    owner.route.addAddress({ ip: NET.vip4, prefixLength: 32, index: owner.index });
    const everywhere = { destination: { ip: ipv4("0.0.0.0"), length: 0 }, table: 254, protocol: 4 };
    asker.route.addRoute({ ...everywhere, gateway: ipv4("10.67.0.1") });
    owner.route.addRoute({ ...everywhere, gateway: NET.a4 });
    const [there, here] = [use(new Port(owner, NET.vip4)), use(new Port(asker, ipv4("10.67.0.9")))];
    here.send(NET.vip4, "hello");
    expect(there.next(2000)).toBe("hello");
    there.send(ipv4("10.67.0.9"), "welcome");
    expect(here.next(2000)).toBe("welcome");
  });

  test("a second install plans nothing; damage is repaired and living leases go on", () => {
    const { a, fence } = lab();
    expect(fence.install(GUARDS)).toEqual({ changed: false, missing: [] });
    fence.claim(VIPS, LONG, LONG, () => true);
    const nft = use(a.do(() => new Nftables()));
    for (const damage of [
      "delete table ip novaedge_vip",
      "flush chain netdev novaedge_vip nd_out",
      "flush chain netdev novaedge_vip in_e0",
      "delete element ip novaedge_vip guarded4 { 10.66.0.100 }",
      "flush set netdev novaedge_vip guarded6",
    ]) {
      nft.transaction(damage);
      const report = [fence.install(GUARDS), fence.install(GUARDS)].map(({ changed }) => changed);
      expect([damage, ...report]).toEqual([damage, true, false]);
    }
    expect(fence.observe().map(({ set, address }) => [set, address])).toEqual([
      ["owned", NET.vip4],
      ["owned", NET.vip6],
    ]);
    expect(fence.renew(VIPS, LONG)).toEqual([]);
  });

  test("an interface that disappears and comes back is fenced again by the next install", () => {
    const { a, client, segment, fence } = lab();
    fence.install([...GUARDS, { ifname: "e7", address: NET.b4 }]);
    expect(fence.install([...GUARDS, { ifname: "e7", address: NET.b4 }])).toEqual({ changed: false, missing: ["e7"] });
    a.route.deleteLink("e0");
    expect(fence.install(GUARDS)).toEqual({ changed: true, missing: ["e0"] });
    expect(fence.install(GUARDS)).toEqual({ changed: false, missing: ["e0"] });
    const index = segment.attach("a2", a, "e0", [NET.a4, NET.a6]);
    expect(fence.install(GUARDS)).toEqual({ changed: true, missing: [] });
    a.route.addAddress({ ip: NET.vip4, prefixLength: 32, index });
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeUndefined();
    expect(use(new Station(a.namespace, "e0", 0x0806)).trySend(arpAnnouncement(client.mac, NET.vip4, "reply"))).toBe(
      ENOBUFS,
    );
    fence.claim(VIPS, LONG, LONG, () => true);
    expect(client.whoHas(NET.vip4, NET.a4, CLIENT)).toBeDefined();
  });

  test("nothing of anybody else is touched", () => {
    const segment = use(new Segment({ a: [NET.a4] }));
    const a = segment.host("a");
    const nft = use(a.do(() => new Nftables()));
    nft.transaction(
      "table ip strangers { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; chain c { type filter hook input priority 0; } ; }",
    );
    const before = nft.transaction("list ruleset");
    const fence = use(a.do(() => new Fence()));
    fence.install(GUARDS);
    fence.claim(VIPS, LONG, LONG, () => true);
    fence.remove();
    fence.remove();
    expect(nft.transaction("list ruleset")).toBe(before);
  });

  function isProbe(frame: Uint8Array, ethertype: number): true | undefined {
    return (frame[12] ?? 0) * 256 + (frame[13] ?? 0) === ethertype ? true : undefined;
  }

  async function untilSilent(silent: () => boolean): Promise<void> {
    while (!silent()) await new Promise((resolve) => setImmediate(resolve));
  }
});
