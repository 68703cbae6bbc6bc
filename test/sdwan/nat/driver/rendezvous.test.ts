/** Offers between two sites on loopback addresses: what a restart, a change of plan and a wrong clock do to them. */
import { afterEach, describe, expect, test } from "vitest";
import { ipOf } from "../../../../base/address.ts";
import { SILENT } from "../../../../base/log.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../../netstack/kernel/stream-socket.ts";
import { Rendezvous, RendezvousMemory } from "../../../../sdwan/nat/driver/rendezvous.ts";
import type { OfferedTunnel } from "../../../../sdwan/nat/offer.ts";
import type { RendezvousSpec } from "../../../../sdwan/underlay-plan.ts";

const loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
const key = "ab".repeat(32);
const tunnel: OfferedTunnel = {
  link: "isp1",
  peerLink: "isp1",
  dscp: 0,
  candidates: [],
  mapping: "none",
  step: undefined,
  attempt: 0,
  direct: false,
  seen: undefined,
};
const open: Rendezvous[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each[Symbol.dispose]();
});

interface End {
  readonly rendezvous: Rendezvous;
  readonly heard: number[];
  readonly unheard: string[];
}

const port = freePort();
const ADDRESSES = { berlin: "127.77.1.1", paris: "127.77.2.1" } as const;
type Site = keyof typeof ADDRESSES;

function end(site: Site, memory: RendezvousMemory): End {
  const other = site === "berlin" ? "paris" : "berlin";
  const heard: number[] = [];
  const unheard: string[] = [];
  const rendezvous = new Rendezvous({
    loop,
    site,
    memory,
    spec: { local: ADDRESSES[site], port, sites: { [other]: { address: ADDRESSES[other], key } } },
    offered: ({ tunnels }) => heard.push(...tunnels.map(({ attempt }) => attempt)),
    unheard: (who) => unheard.push(who),
  });
  open.push(rendezvous);
  return { rendezvous, heard, unheard };
}

function say({ rendezvous }: End, to: Site, attempt: number): void {
  rendezvous.send(to, [{ ...tunnel, attempt }]);
  for (let turn = 0; turn < 4; turn++) loop.turn(false);
}

/** Each hears the other, until words count. */
function acquaint(berlin: End, paris: End): void {
  for (let round = 0; round < 2; round++) {
    say(berlin, "paris", 0);
    say(paris, "berlin", 0);
  }
}

describe("offers", () => {
  test("count from when the other end is known to have heard us", () => {
    const [berlin, paris] = [end("berlin", new RendezvousMemory(100)), end("paris", new RendezvousMemory(100))];
    say(berlin, "paris", 1);
    expect(paris).toMatchObject({ heard: [], unheard: ["berlin"] });
    say(paris, "berlin", 2);
    expect(berlin).toMatchObject({ heard: [2], unheard: [] });
    say(berlin, "paris", 3);
    expect(paris.heard).toEqual([3]);
  });

  test("go on counting when a change of the plan opens the socket anew", () => {
    const memory = new RendezvousMemory(100);
    const [first, paris] = [end("berlin", memory), end("paris", new RendezvousMemory(100))];
    acquaint(first, paris);
    for (let n = 0; n < 20; n++) say(first, "paris", 5);
    first.rendezvous[Symbol.dispose]();
    open.splice(open.indexOf(first.rendezvous), 1);
    loop.turn(false);
    const second = end("berlin", memory);
    paris.heard.length = 0;
    say(second, "paris", 9);
    expect(paris.heard).toEqual([9]);
  });

  test("bear the new key as soon as both ends have it, by the same socket", () => {
    const [berlin, paris] = [end("berlin", new RendezvousMemory(100)), end("paris", new RendezvousMemory(100))];
    acquaint(berlin, paris);
    const keyed = (site: Site, other: Site) => ({
      local: ADDRESSES[site],
      port,
      sites: { [other]: { address: ADDRESSES[other], key: "cd".repeat(32) } },
    });
    expect(berlin.rendezvous.meets(keyed("berlin", "paris"))).toBe(true);
    expect(berlin.rendezvous.meets({ ...keyed("berlin", "paris"), port: port + 1 })).toBe(false);
    berlin.rendezvous.meet(keyed("berlin", "paris"));
    paris.heard.length = 0;
    say(berlin, "paris", 8);
    expect(paris.heard).toEqual([]);
    paris.rendezvous.meet(keyed("paris", "berlin"));
    say(berlin, "paris", 9);
    expect(paris.heard).toEqual([9]);
  });

  test("of a site that changes its pair of keys count with either key, and it is answered with the one that it has", () => {
    const [berlin, paris] = [end("berlin", new RendezvousMemory(100)), end("paris", new RendezvousMemory(100))];
    acquaint(berlin, paris);
    const next = "cd".repeat(32);
    const plan = (site: Site, other: Site, keys: { key: string; nextKey?: string }) => ({
      local: ADDRESSES[site],
      port,
      sites: { [other]: { address: ADDRESSES[other], ...keys } },
    });
    paris.rendezvous.meet(plan("paris", "berlin", { key, nextKey: next }));
    paris.heard.length = 0;
    say(berlin, "paris", 5);
    say(paris, "berlin", 6);
    berlin.rendezvous.meet(plan("berlin", "paris", { key: next }));
    say(berlin, "paris", 7);
    say(paris, "berlin", 8);
    expect(paris.heard).toEqual([5, 7]);
    expect(berlin.heard.slice(-2)).toEqual([6, 8]);
    paris.rendezvous.meet(plan("paris", "berlin", { key: next }));
    say(paris, "berlin", 9);
    expect(berlin.heard.at(-1)).toBe(9);
    expect([berlin.rendezvous.refused, paris.rendezvous.refused]).toEqual([{}, { unproven: 1 }]);
  });

  test("that a stranger says again, forges or cuts change nothing but counters", () => {
    const [berlin, paris] = [end("berlin", new RendezvousMemory(100)), end("paris", new RendezvousMemory(100))];
    acquaint(berlin, paris);
    const before = { ...paris.rendezvous.refused };
    // Who sits on the wire has a copy of each.
    const spy = "127.77.8.8";
    const seen: Buffer[] = [];
    const wire = loop.datagrams(openUdp({ bind: { ip: ipOf(spy), port } }), {
      received: (_, bytes) => seen.push(Buffer.from(bytes)),
    });
    const plan = (address: string) => ({ local: ADDRESSES.berlin, port, sites: { paris: { address, key } } });
    say(berlin, "paris", 1);
    berlin.rendezvous.meet(plan(spy));
    for (const attempt of [2, 3, 4]) say(berlin, "paris", attempt);
    berlin.rendezvous.meet(plan(ADDRESSES.paris));
    say(berlin, "paris", 5);
    paris.heard.length = 0;
    expect(seen).toHaveLength(3);
    const to = encodeInet({ ip: ipOf(ADDRESSES.paris), port });
    const speakAs = (address: string, all: readonly Buffer[]): void => {
      const stranger = loop.datagrams(openUdp({ bind: { ip: ipOf(address), port: 0 } }), { received: () => undefined });
      for (const each of all) {
        stranger.send(each, to);
        for (let turn = 0; turn < 4; turn++) loop.turn(false);
      }
      stranger[Symbol.dispose]();
    };
    const changed = seen.flatMap((each) =>
      [4, 20, 36, 60, each.length - 1].map((at) => {
        const forged = Buffer.from(each);
        forged[at] = (forged[at] ?? 0) ^ 1;
        return forged;
      }),
    );
    const cut = seen.map((each) => each.subarray(0, 30));
    const letters = seen.flatMap((each) =>
      ["NVC1", "NVR1"].map((magic) => Buffer.concat([Buffer.from(magic), each.subarray(4)])),
    );
    speakAs(ADDRESSES.berlin, [...seen, ...changed, ...cut, ...letters]);
    speakAs(spy, seen);
    const refused = Object.fromEntries(
      Object.entries(paris.rendezvous.refused).map(([why, count]) => [why, count - (before[why] ?? 0)]),
    );
    expect(refused).toMatchObject({ replayed: 3, "not-authentic": changed.length + letters.length + 3, "no-offer": 3 });
    expect(paris.heard).toEqual([]);
    say(berlin, "paris", 6);
    expect(paris.heard).toEqual([6]);
    wire[Symbol.dispose]();
  });

  test("are carried by a site that relays, sealed for each of its two ways; it cannot make any", () => {
    const hub = "127.77.3.1";
    const [one, two] = ["ab".repeat(32), "ef".repeat(32)];
    const nowhere = "127.77.9.9"; // the tunnel between the two does not work
    const refusals: Record<string, number>[] = [];
    const join = (site: string, local: string, sites: RendezvousSpec["sites"]) => {
      const heard: number[] = [];
      const rendezvous = new Rendezvous({
        loop,
        site,
        memory: new RendezvousMemory(100),
        spec: { local, port, sites },
        offered: ({ from, tunnels }) => heard.push(...tunnels.map(({ attempt }) => (from === site ? -1 : attempt))),
        unheard: () => undefined,
      });
      open.push(rendezvous);
      refusals.push(rendezvous.refused);
      return { rendezvous, heard, unheard: [] };
    };
    const own = { berlin: { address: ADDRESSES.berlin, key: one }, paris: { address: ADDRESSES.paris, key: two } };
    const berlin = join("berlin", ADDRESSES.berlin, {
      paris: { address: nowhere, key },
      hub: { address: hub, key: one },
    });
    const paris = join("paris", ADDRESSES.paris, {
      berlin: { address: nowhere, key },
      hub: { address: hub, key: two },
    });
    const relay = join("hub", hub, own);
    const by = (from: End, to: Site, attempt: number): void => {
      from.rendezvous.send(to, [{ ...tunnel, attempt }], "hub");
      for (let turn = 0; turn < 8; turn++) loop.turn(false);
    };
    for (let round = 0; round < 2; round++) {
      by(berlin, "paris", 1);
      by(paris, "berlin", 2);
    }
    by(berlin, "paris", 3);
    by(paris, "berlin", 4);
    expect([berlin.heard.at(-1), paris.heard.at(-1), relay.heard]).toEqual([4, 3, []]);
    // To itself, to whom it does not know, and back to the sender: not carried.
    const before = JSON.stringify([refusals[0], refusals[1]]);
    berlin.rendezvous.meet({
      local: ADDRESSES.berlin,
      port,
      sites: { berlin: { address: nowhere, key }, rome: { address: nowhere, key }, hub: { address: hub, key: one } },
    });
    by(berlin, "berlin", 5);
    berlin.rendezvous.send("rome", [tunnel], "hub");
    for (let turn = 0; turn < 8; turn++) loop.turn(false);
    expect(refusals[2]).toEqual({ "not-for-us": 2 });
    expect(JSON.stringify([refusals[0], refusals[1]])).toBe(before);
  });

  test("are heard again after a restart with a clock that was set back", () => {
    const early = end("berlin", new RendezvousMemory(9_000));
    const paris = end("paris", new RendezvousMemory(100));
    acquaint(early, paris);
    early.rendezvous[Symbol.dispose]();
    open.splice(open.indexOf(early.rendezvous), 1);
    loop.turn(false);
    const late = end("berlin", new RendezvousMemory(5_000));
    paris.heard.length = 0;
    acquaint(late, paris);
    say(late, "paris", 4);
    expect(paris.heard).toContain(4);
  });

  test("of an earlier life of ours, said again by who carried them, change nothing", () => {
    const berlin = end("berlin", new RendezvousMemory(100));
    const before = end("paris", new RendezvousMemory(100));
    acquaint(berlin, before);
    before.rendezvous[Symbol.dispose]();
    open.splice(open.indexOf(before.rendezvous), 1);
    loop.turn(false);
    // As if recorded: it knows our first life, as the offer said then.
    const after = end("paris", new RendezvousMemory(200));
    say(berlin, "paris", 7);
    expect(after.heard).toEqual([]);
  });
});

function freePort(): number {
  const fd = openUdp({ bind: { ip: ipOf("127.0.0.1"), port: 0 } });
  const socket = loop.datagrams(fd, { received: () => undefined });
  const bound = nameOf(fd)?.port ?? 0;
  socket[Symbol.dispose]();
  loop.turn(false);
  return bound;
}
