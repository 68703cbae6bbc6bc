/**
 * Sessions recorded from FRR and BIRD, with our router in the place of one of the two: it gets the other's packets byte
 * for byte and at their times.  Afterwards hours pass under the virtual clock, with the peer's refreshes and without.
 */
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import { bodyIn } from "../../../netstack/ospf/body.ts";
import type { Action } from "../../../netstack/ospf/event.ts";
import { decode } from "../../../netstack/ospf/packet/decode.ts";
import { type Lsa, type LsaBody, MAX_AGE } from "../../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../../netstack/ospf/packet/lsa-encode.ts";
import { keyText } from "../../../netstack/ospf/packet/lsa-header.ts";
import type { Hello, Packet } from "../../../netstack/ospf/packet/packet.ts";
import type { OspfArea, OspfNetwork } from "../../../netstack/ospf/plan.ts";
import { Router } from "../../../netstack/ospf/router.ts";
import { iface, network, plan } from "./network.ts";
import { RECORDINGS } from "./packet/recorded.ts";

interface Case {
  readonly name: string;
  readonly file: string;
  readonly version: 2 | 3;
  readonly us: string;
  readonly peer: string;
  readonly area: string;
  readonly kind: OspfArea["kind"];
  readonly networks: readonly OspfNetwork[];
  /** The peer asks for what its recorded neighbor had and we do not. */
  readonly skipRequests: boolean;
}
const CASES: readonly Case[] = [
  {
    name: "BIRD, broadcast, we are the master and the DR",
    file: "bird-bird",
    version: 2,
    us: "10.0.0.4",
    peer: "10.0.0.3",
    area: "0.0.0.2",
    kind: "normal",
    networks: [],
    skipRequests: false,
  },
  {
    name: "BIRD, broadcast, we are the master and the DR",
    file: "bird-bird",
    version: 3,
    us: "10.0.0.4",
    peer: "10.0.0.3",
    area: "0.0.0.2",
    kind: "normal",
    networks: [],
    skipRequests: false,
  },
  {
    name: "BIRD, NSSA, we are the slave, the BDR and an AS boundary router",
    file: "frr-bird",
    version: 2,
    us: "10.0.0.1",
    peer: "10.0.0.2",
    area: "0.0.0.1",
    kind: "nssa",
    networks: [network("192.0.2.1/32")],
    skipRequests: false,
  },
  {
    name: "FRR, NSSA, we are the master and the DR",
    file: "frr-bird",
    version: 2,
    us: "10.0.0.2",
    peer: "10.0.0.1",
    area: "0.0.0.1",
    kind: "nssa",
    networks: [],
    skipRequests: true,
  },
  {
    name: "FRR, NSSA, we are the master and the DR",
    file: "frr-bird",
    version: 3,
    us: "10.0.0.2",
    peer: "10.0.0.1",
    area: "0.0.0.1",
    kind: "nssa",
    networks: [],
    skipRequests: true,
  },
];

class Replay {
  readonly router: Router;
  readonly actions: Action[] = [];
  readonly peer: Ip;
  now: Instant;
  /** The newest instance of each LSA of the peer that it flooded. */
  readonly told = new Map<string, Lsa>();
  /** What the one in whose place we are flooded of itself. */
  readonly original = new Map<string, Lsa>();
  hello: Hello | undefined;

  constructor(role: Case) {
    const recording = RECORDINGS.find((each) => each.file === role.file);
    const packets = (recording?.packets ?? []).filter((each) => each.version === role.version);
    const decoded = packets.map((each) => ({ ...each, packet: packetOf(each.version, each.datagram) }));
    const [us, them] = [ipv4(role.us), ipv4(role.peer)];
    const ours = decoded.filter((each) => each.packet.routerId === us);
    const theirs = decoded.filter((each) => each.packet.routerId === them);
    // A peer that was still being configured said other things first, and was refused.
    const last = theirs.findLast((each) => each.packet.kind === "hello")?.packet;
    const first = theirs.find(
      ({ packet }) => last?.kind === "hello" && packet.kind === "hello" && packet.options === last.options,
    );
    const [own] = ours;
    if (first === undefined || own === undefined) throw new TypeError("not in the recording");
    this.peer = first.source;
    // Our first sequence number counts from our clock, so a clock that was right then yields the recorded number.
    const negotiation = ours.find((each) => each.packet.kind === "database-description")?.packet;
    const sequence = negotiation?.kind === "database-description" ? negotiation.sequence : 0;
    const start = sequence - 1 + 0.25;
    const at = (time: number): Instant => instant(start + (time - first.at));
    this.now = instant(Math.min(at(own.at), start) - 1);
    const spec = iface("eth0", { hello: 1000, dead: 4000, retransmit: 5000, mtuIgnore: false });
    const { version, area, kind, networks } = role;
    this.router = new Router(plan(version, role.us, [{ id: area, kind, interfaces: [spec] }], { networks }), this.now);
    const addresses = isIpv4(own.source) ? [{ ip: own.source, length: 24 }] : [{ ip: own.source, length: 64 }, GLOBAL];
    const link = { ifname: "eth0", ifindex: 2, up: true, loopback: false, mtu: 1500, addresses };
    this.wait(at(Math.min(own.at, first.at - 0.5)));
    this.feed({ kind: "link", link });
    for (const each of decoded) {
      for (const lsa of each.packet.kind === "update" ? each.packet.lsas : []) {
        if (lsa.header.advertisingRouter === us && each.packet.routerId === us)
          this.original.set(keyText(lsa.header), lsa);
      }
      if (each.packet.routerId !== them) continue;
      this.wait(at(each.at));
      if (each.packet.kind === "request" && role.skipRequests) continue;
      this.hear(each.packet, each.destination);
    }
  }

  feed(event: Parameters<Router["step"]>[0]): void {
    this.actions.push(...this.router.step(event, this.now));
  }
  hear(packet: Packet, destination: Ip): void {
    if (packet.kind === "hello") this.hello = packet;
    for (const lsa of packet.kind === "update" ? packet.lsas : []) this.told.set(keyText(lsa.header), lsa);
    this.feed({ kind: "packet", ifname: "eth0", source: this.peer, destination, packet, proven: { kind: "none" } });
  }
  wait(end: Instant): void {
    for (let count = 0; count < 1_000_000; count++) {
      const next = this.router.nextWake();
      if (next === undefined || next > end) break;
      this.now = instant(Math.max(this.now, next));
      this.feed({ kind: "wake" });
    }
    this.now = instant(Math.max(this.now, end));
  }
  /** The peer goes on: hellos each second, acknowledgements, refreshes if it still does that. */
  live(seconds: number, refreshes: boolean): void {
    const { hello } = this;
    if (hello === undefined) throw new TypeError("no hello");
    const allSpf = hello.version === 2 ? ALL_SPF_V4 : ALL_SPF_V6;
    const born = this.now;
    for (let second = 1; second <= seconds; second++) {
      const from = this.actions.length;
      this.wait(instant(born + second * 1000));
      this.hear(hello, allSpf);
      const head = { version: hello.version, routerId: hello.routerId, areaId: hello.areaId, instanceId: 0 };
      const headers = this.actions
        .slice(from)
        .flatMap((each) => (each.kind === "send" && each.packet.kind === "update" ? each.packet.lsas : []))
        .map((lsa) => lsa.header);
      if (headers.length > 0) this.hear({ ...head, kind: "acknowledgement", headers }, allSpf);
      this.actions.length = from;
      if (!refreshes || second % 1800 !== 0) continue;
      for (const lsa of this.told.values()) {
        if (lsa.header.age >= MAX_AGE) continue;
        const { type, id, advertisingRouter, options } = lsa.header;
        const body: LsaBody = { kind: "unknown", octets: lsa.raw.subarray(20) };
        const header = { type, id, advertisingRouter, options, sequence: lsa.header.sequence + 1 };
        this.hear({ ...head, kind: "update", lsas: [encodeLsa(hello.version, header, body)] }, allSpf);
      }
    }
  }
  state(): string | undefined {
    return this.router.interfaces(this.now)[0]?.neighbors[0]?.state;
  }
  /** key → sequence number, of what the peer advertised. */
  heldOfPeer(peer: string): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const each of this.router.database(this.now)) {
      if (each.advertisingRouter === peer) found.set(`${each.type} ${each.id}`, each.checksum);
    }
    return found;
  }
}

describe.each(CASES)("OSPFv$version replayed: $name", (each) => {
  test("Full, with the peer's LSAs as they were sent, and our own as the original's", () => {
    const replay = new Replay(each);
    expect(replay.state()).toBe("full");
    const report = replay.router.interfaces(replay.now)[0];
    expect([report?.state, report?.refused["dd-sequence"], report?.refused["lsa-checksum"]]).toEqual([
      each.us === "10.0.0.1" ? "backup" : "dr",
      undefined,
      undefined,
    ]);
    const alive = [...replay.told.values()].filter(
      (lsa) => lsa.header.age < MAX_AGE && lsa.header.advertisingRouter === ipv4(each.peer),
    );
    expect(alive.length).toBeGreaterThan(0);
    const held = new Set(replay.heldOfPeer(each.peer).values());
    for (const lsa of alive) expect(held).toContain(lsa.header.checksum);
    // What we say of our links is what the other implementation said in our place.
    const routerType = each.version === 2 ? 1 : 0x2001;
    const original = [...replay.original.values()].find((lsa) => lsa.header.type === routerType);
    const said = replay.actions
      .flatMap((action) => (action.kind === "send" && action.packet.kind === "update" ? action.packet.lsas : []))
      .findLast((lsa) => lsa.header.type === routerType);
    if (original === undefined || said === undefined) throw new TypeError("no router LSA");
    const links = (lsa: Lsa) => {
      const body = bodyIn(lsa);
      return body?.kind === "router" ? body.links.map((link) => ({ ...link, metric: 0 })) : undefined;
    };
    expect(links(said)).toEqual(links(original));
  });

  test("three hours: the peer's refreshes are taken, ours are made, the adjacency stays", () => {
    const replay = new Replay(each);
    replay.live(3 * 3600, true);
    expect(replay.state()).toBe("full");
    for (const lsa of replay.router.database(replay.now)) expect(lsa.age).toBeLessThanOrEqual(1810);
    const own = replay.router.database(replay.now).filter((lsa) => lsa.advertisingRouter === each.us);
    for (const lsa of own) expect(lsa.sequence + 0x7fffffff).toBeGreaterThanOrEqual(5);
  });

  test("a peer that refreshes no more: after MaxAge nothing of it is left", () => {
    const replay = new Replay(each);
    replay.live(3650, false);
    expect(replay.state()).toBe("full");
    expect([...replay.heldOfPeer(each.peer)]).toEqual([]);
  });
});

function packetOf(version: 2 | 3, datagram: Uint8Array): Packet {
  const decoded = decode(version, datagram);
  if (!decoded.ok) throw new TypeError(JSON.stringify(decoded.error));
  return decoded.value;
}

const ALL_SPF_V4: Ip = ipv4("224.0.0.5");
const ALL_SPF_V6: Ip = ipv6("ff02::5");
/** BIRD told an empty intra-area-prefix LSA there, which its peer asked for; ours exists when it says something. */
const GLOBAL = { ip: ipv6("2001:db8:9:1::2"), length: 64 };
