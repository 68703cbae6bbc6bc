/** One router under test, and a neighbor of it that says exactly what a test wants it to say. */
import { formatIp, type Ip, type Ipv4, type Ipv6, ipv4, ipv6 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import type { Action, Proven } from "../../../netstack/ospf/event.ts";
import {
  INITIAL_SEQUENCE,
  type Lsa,
  type LsaBody,
  OPTION_E,
  OPTION_O,
  OPTION_R,
  OPTION_V6,
} from "../../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../../netstack/ospf/packet/lsa-encode.ts";
import type { DatabaseDescription, Hello, Packet } from "../../../netstack/ospf/packet/packet.ts";
import type { OspfInterfaceSpec, OspfPlan } from "../../../netstack/ospf/plan.ts";
import { Router } from "../../../netstack/ospf/router.ts";
import { address, iface, plan } from "./network.ts";

export const OURS = ipv4("1.1.1.5");
/** The higher router ID: it becomes the master. */
export const PEER = ipv4("1.1.1.9");
export const LOW = ipv4("1.1.1.2");

export interface Sent {
  readonly destination: string;
  readonly packet: Packet;
}
type Body<P> = P extends Packet ? Omit<P, "version" | "routerId" | "areaId" | "instanceId"> : never;

export interface Shape {
  readonly id?: number;
  readonly by?: number;
  readonly sequence?: number;
  readonly age?: number;
  readonly options?: number;
  readonly type?: number;
}

export class Probe {
  readonly version: 2 | 3;
  readonly router: Router;
  now: Instant = instant(1_000_000);
  plan: OspfPlan;
  actions: Action[] = [];
  readonly ours: Ip;
  readonly theirs: Ip;
  readonly peer: number;
  sequence = 777;

  constructor(
    version: 2 | 3,
    fields: Partial<OspfInterfaceSpec> = {},
    planned: Partial<OspfPlan> = {},
    { peer = PEER, kind = "normal" }: { peer?: number; kind?: "normal" | "stub" | "nssa" } = {},
  ) {
    this.version = version;
    this.peer = peer;
    this.ours = version === 2 ? ipv4("10.0.0.5") : ipv6("fe80::5");
    this.theirs = version === 2 ? ipv4("10.0.0.9") : ipv6("fe80::9");
    const spec = iface("eth0", { type: "point-to-point", ...fields });
    this.plan = plan(version, "1.1.1.5", [{ interfaces: [spec], kind }], planned);
    this.router = new Router(this.plan, this.now);
    const addresses = version === 2 ? ["10.0.0.5/24"] : ["fe80::5/64", "2001:db8::5/64"];
    const link = { ifname: "eth0", ifindex: 5, up: true, loopback: false, mtu: 1500 };
    this.feed({ kind: "link", link: { ...link, addresses: addresses.map(address) } });
  }

  feed(event: Parameters<Router["step"]>[0]): void {
    this.actions.push(...this.router.step(event, this.now));
  }
  /** Lets time pass, with all wakes in it. */
  wait(span: number): void {
    const end = instant(this.now + span);
    for (let count = 0; ; count++) {
      if (count > 100_000) throw new TypeError("the router wakes for ever");
      const next = this.router.nextWake();
      if (next === undefined || next > end) break;
      this.now = instant(Math.max(this.now, next));
      this.feed({ kind: "wake" });
    }
    this.now = end;
  }
  /** What was sent since this was asked last, of that kind. */
  sent<Kind extends Packet["kind"]>(
    kind: Kind,
  ): readonly (Sent & { readonly packet: Packet & { readonly kind: Kind } })[] {
    const found: (Sent & { readonly packet: Packet & { readonly kind: Kind } })[] = [];
    for (const action of this.actions) {
      if (action.kind !== "send" || action.packet.kind !== kind) continue;
      found.push({
        destination: formatIp(action.destination),
        packet: action.packet as Packet & { readonly kind: Kind },
      });
    }
    return found;
  }
  clear(): void {
    this.actions = [];
  }
  say(
    body: Body<Packet> & Partial<Pick<Packet, "routerId" | "areaId" | "instanceId">>,
    {
      source = this.theirs,
      destination,
      proven = { kind: "none" },
    }: { source?: Ip; destination?: Ip; proven?: Proven } = {},
  ): void {
    const head = { version: this.version, routerId: this.peer, areaId: 0, instanceId: 0 };
    const allSpf = this.version === 2 ? ipv4("224.0.0.5") : ipv6("ff02::5");
    const packet = { ...head, ...body } as Packet;
    this.feed({ kind: "packet", ifname: "eth0", source, destination: destination ?? allSpf, packet, proven });
  }
  hello(fields: Partial<Hello> = {}, from: { source?: Ip; proven?: Proven; destination?: Ip } = {}): void {
    const v2 = this.version === 2;
    this.say(
      {
        kind: "hello",
        maskLength: v2 ? 24 : undefined,
        interfaceId: v2 ? 0 : 9,
        options: v2 ? OPTION_E : OPTION_E | OPTION_V6 | OPTION_R,
        helloInterval: 10,
        deadInterval: 40,
        priority: 1,
        dr: 0,
        bdr: 0,
        neighbors: [OURS],
        ...fields,
      },
      from,
    );
  }
  dd(fields: Partial<DatabaseDescription>): void {
    const v2 = this.version === 2;
    this.say({
      kind: "database-description",
      mtu: 1500,
      options: v2 ? OPTION_E | OPTION_O : OPTION_E | OPTION_V6 | OPTION_R,
      init: false,
      more: false,
      master: true,
      sequence: this.sequence,
      headers: [],
      ...fields,
    });
  }
  /** ExStart, with the peer's negotiation still to come. */
  toExStart(): void {
    this.hello();
    this.clear();
  }
  /** Exchange as slave of the peer; one description of ours is out. */
  toExchange(): void {
    this.toExStart();
    this.dd({ init: true, more: true });
  }
  toFull(): void {
    this.toExchange();
    for (let round = 0; round < 50; round++) {
      this.sequence++;
      this.dd({});
      if (this.state() === "full") break;
    }
    this.clear();
  }
  state(): string | undefined {
    return this.router.interfaces(this.now)[0]?.neighbors[0]?.state;
  }
  refused(why: string): number {
    return this.router.interfaces(this.now)[0]?.refused[why] ?? 0;
  }
  lsa(
    body: LsaBody,
    { id = 0, by = this.peer, sequence = INITIAL_SEQUENCE, age = 1, options = OPTION_E, type }: Shape = {},
  ): Lsa {
    return encodeLsa(
      this.version,
      { ...(type === undefined ? {} : { type }), id, advertisingRouter: by, sequence, age, options },
      body,
    );
  }
  external(
    prefix: string,
    fields: { id?: number; by?: number; sequence?: number; age?: number; metric?: number } = {},
  ): Lsa {
    const { metric = 10, ...rest } = fields;
    const [ip = "", length = ""] = prefix.split("/");
    const parsed: Ipv4 | Ipv6 = this.version === 2 ? ipv4(ip) : ipv6(ip);
    const id = this.version === 2 ? Number(parsed) : 1;
    return this.lsa(
      {
        kind: "external",
        prefix: { ip: parsed, length: Number(length) },
        prefixOptions: 0,
        metricType: 2,
        metric,
        forwarding: undefined,
        tag: 0,
        referenced: undefined,
      },
      { id, ...rest },
    );
  }
  update(...lsas: readonly Lsa[]): void {
    this.say({ kind: "update", lsas });
  }
  has(lsa: Lsa): boolean {
    return this.find(lsa) !== undefined;
  }
  find(lsa: Lsa) {
    const [id, by] = [formatIp(lsa.header.id as Ipv4), formatIp(lsa.header.advertisingRouter as Ipv4)];
    return this.router
      .database(this.now)
      .find((each) => each.id === id && each.advertisingRouter === by && each.length === lsa.header.length);
  }
}
