/**
 * What the outside makes of the ports of this host's tunnels: for each device a look by STUN when its link comes up or
 * moves, and again from time to time.  Whether others may answer (filtering) is asked once for an address of a link, since
 * later the mappings of before are still open.  Where no server answers, what the other sites see of a tunnel is as good.
 */
import { randomBytes } from "node:crypto";
import { type Ip, isIpv4, isLinkLocal } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, earliest, type Instant, ms, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { packetMark } from "../../../netstack/kernel/marks.ts";
import { Discovery } from "../../../netstack/stun/discovery.ts";
import { decodeStun, type StunAddress, type StunMessage } from "../../../netstack/stun/packet.ts";
import type { Behavior } from "../../../netstack/stun/plan.ts";
import { isHard, stepOf } from "../attempt.ts";
import { isCallable } from "../callable.ts";
import type { OwnEnd } from "../meeting.ts";
import type { OfferedCandidate } from "../offer.ts";
import { RawUdp } from "./raw-udp.ts";
import type { LinkSight } from "./sights.ts";

export interface PortSpec {
  readonly ifname: string;
  readonly link: string;
  readonly listenPort: number;
}

export interface PortsParts {
  readonly loop: Loop;
  /** A STUN message that belongs to no discovery. */
  readonly received: (message: StunMessage, from: StunAddress, on: { link: string; port: number; raw: RawUdp }) => void;
  /** Where a device is reached is known anew. */
  readonly changed: (ifname: string) => void;
  /** The behaviour that a link's first device found, from which port. */
  readonly behavior: (link: string, port: number, behavior: Behavior) => void;
}

interface Port {
  readonly spec: PortSpec;
  /** Looks in a row that nobody answered. */
  silences: number;
  discovery: Discovery | undefined;
  behavior: Behavior | undefined;
  nextAt: Instant | undefined;
  /** Site → where it sees this port. */
  readonly seen: Map<string, StunAddress>;
}

interface Outside {
  sight: LinkSight;
  raws: readonly RawUdp[];
  /** An address that cannot be bound yet: when to try again. */
  openAt: Instant | undefined;
  filtering: Behavior["filtering"] | undefined;
  /** The sockets are those of an interface that is no more. */
  isOrphan: boolean;
}

/** What an offer says of a port. */
interface Outward extends Pick<OwnEnd, "mapping" | "step"> {
  readonly mapped: StunAddress | undefined;
}

export class Ports implements Disposable {
  readonly #parts: PortsParts;
  readonly #ports = new Map<string, Port>();
  readonly #links = new Map<string, Outside>();
  #servers: readonly StunAddress[] = [];
  #interval = seconds(300);

  constructor(parts: PortsParts) {
    this.#parts = parts;
  }

  plan(specs: readonly PortSpec[], interval: number): void {
    this.#interval = ms(interval);
    const wanted = new Set(specs.map(({ ifname }) => ifname));
    for (const ifname of this.#ports.keys()) if (!wanted.has(ifname)) this.#ports.delete(ifname);
    for (const spec of specs) {
      const known = this.#ports.get(spec.ifname);
      if (known?.spec.listenPort === spec.listenPort && known.spec.link === spec.link) continue;
      this.#ports.set(spec.ifname, {
        spec,
        silences: 0,
        discovery: undefined,
        behavior: undefined,
        nextAt: this.#parts.loop.now(),
        seen: new Map(),
      });
    }
  }

  servers(servers: readonly StunAddress[]): void {
    if (JSON.stringify(servers) === JSON.stringify(this.#servers)) return;
    this.#servers = servers;
    // What was told is not looked after any more.
    if (servers.length === 0) for (const port of this.#ports.values()) port.behavior = undefined;
    this.again();
  }

  links(sights: readonly LinkSight[]): void {
    const names = new Set(sights.map(({ name }) => name));
    for (const name of this.#links.keys()) if (!names.has(name)) this.#close(name);
    for (const sight of sights) {
      const known = this.#links.get(sight.name);
      if (known !== undefined && JSON.stringify(known.sight) === JSON.stringify(sight)) continue;
      this.#close(sight.name);
      const outside: Outside = { sight, raws: [], openAt: undefined, filtering: undefined, isOrphan: false };
      this.#links.set(sight.name, outside);
      if (sight.up) this.#open(outside);
      const moved = JSON.stringify(known?.sight.addresses) !== JSON.stringify(sight.addresses);
      for (const port of this.#ports.values()) {
        if (port.spec.link !== sight.name) continue;
        port.seen.clear();
        // Who is there now is somebody else.
        if (moved) port.behavior = undefined;
      }
      this.again(sight.name);
    }
  }

  /** Looks again now: at all, or at one link's. */
  again(link?: string): void {
    for (const port of this.#ports.values()) {
      if (link !== undefined && port.spec.link !== link) continue;
      port.discovery = undefined;
      port.nextAt = this.#parts.loop.now();
      if (this.#links.get(port.spec.link)?.sight.up !== true) port.behavior = undefined;
      this.#parts.changed(port.spec.ifname);
    }
  }

  due(): Instant | undefined {
    let first: Instant | undefined;
    for (const port of this.#ports.values()) first = earliest(first, port.discovery?.due ?? port.nextAt);
    for (const { openAt } of this.#links.values()) first = earliest(first, openAt);
    return first;
  }

  wake(now: Instant): void {
    for (const outside of this.#links.values()) {
      if (outside.openAt === undefined || now < outside.openAt) continue;
      // What the others look for meanwhile goes on.
      if (this.#open(outside)) this.again(outside.sight.name);
    }
    for (const port of this.#ports.values()) {
      if (port.discovery === undefined && port.nextAt !== undefined && now >= port.nextAt) this.#begin(port, now);
      if (port.discovery !== undefined) this.#turn(port, port.discovery, now);
    }
  }

  /** Another site sees this port so, by an authentic word of it. */
  seenBy(site: string, ifname: string, at: StunAddress | undefined): void {
    const port = this.#ports.get(ifname);
    if (port === undefined || JSON.stringify(port.seen.get(site)) === JSON.stringify(at)) return;
    if (at === undefined) port.seen.delete(site);
    else port.seen.set(site, at);
    if (port.behavior?.mapped !== undefined) return;
    this.#parts.changed(ifname);
    if (this.#isFirst(port) && port.seen.size > 0) this.#tell(port, this.#reflected(port));
  }

  end(ifname: string): OwnEnd {
    const port = this.#ports.get(ifname);
    const sight = this.#links.get(port?.spec.link ?? "")?.sight;
    if (port === undefined || sight?.up !== true) return { candidates: [], mapping: "unknown", step: undefined };
    const { listenPort } = port.spec;
    const hosts = sight.addresses
      .filter((ip) => !isLinkLocal(ip))
      .slice(0, 4)
      .map((ip): OfferedCandidate => ({ at: { ip, port: listenPort }, kind: "host" }));
    const behavior = this.#known(port, port.behavior?.mapped === undefined ? this.#reflected(port) : port.behavior);
    const { mapped, mapping, step } = behavior;
    const fromOutside: OfferedCandidate[] = mapped === undefined ? [] : [{ at: mapped, kind: "mapped" }];
    const told: OfferedCandidate[] =
      sight.publicIp === undefined ? [] : [{ at: { ip: sight.publicIp, port: listenPort }, kind: "configured" }];
    const candidates: OfferedCandidate[] = [];
    for (const each of [...told, ...fromOutside, ...hosts].filter(({ at }) => isCallable(at)))
      if (!candidates.some(({ at }) => at.ip === each.at.ip && at.port === each.at.port)) candidates.push(each);
    return { candidates, mapping, step };
  }

  /** The socket of a link for packets to such an address. */
  raw(link: string, to: Ip): RawUdp | undefined {
    return this.#links.get(link)?.raws.find(({ local }) => isIpv4(local) === isIpv4(to));
  }

  [Symbol.dispose](): void {
    for (const name of this.#links.keys()) this.#close(name);
    this.#ports.clear();
  }

  /** Sockets that are missing; true when there is one more. */
  #open(outside: Outside): boolean {
    const { sight } = outside;
    if (outside.isOrphan) {
      for (const raw of outside.raws) raw[Symbol.dispose]();
      outside.raws = [];
      outside.isOrphan = false;
    }
    const { raws } = outside;
    const usable = sight.addresses.filter((ip) => !isLinkLocal(ip));
    outside.openAt = undefined;
    const fresh = [true, false].flatMap((v4) => {
      if (raws.some(({ local }) => isIpv4(local) === v4)) return [];
      const own = usable.filter((ip) => isIpv4(ip) === v4);
      for (const local of own) {
        const raw = this.#openAt(outside, local);
        if (raw !== undefined) return [raw];
      }
      if (own.length > 0) outside.openAt = after(this.#parts.loop.now(), OPEN_AGAIN);
      return [];
    });
    outside.raws = [...raws, ...fresh];
    return fresh.length > 0;
  }

  #openAt(outside: Outside, local: Ip): RawUdp | undefined {
    const { sight } = outside;
    try {
      const raw: RawUdp = new RawUdp({
        loop: this.#parts.loop,
        ifname: sight.ifname,
        mark: packetMark(sight.mark),
        local,
        received: (payload, from, toPort) => this.#received(payload, from, { link: sight.name, port: toPort, raw }),
        // Not at once: it is about to be used still.
        orphaned: () => {
          outside.isOrphan = true;
          outside.openAt ??= this.#parts.loop.now();
        },
      });
      return raw;
    } catch (error) {
      // Tentative yet, or gone already: netlink is about to say so.
      if (!(error instanceof Fault)) throw error;
      return undefined;
    }
  }

  #close(name: string): void {
    for (const raw of this.#links.get(name)?.raws ?? []) raw[Symbol.dispose]();
    this.#links.delete(name);
  }

  #received(payload: Uint8Array, from: StunAddress, on: { link: string; port: number; raw: RawUdp }): void {
    const message = decodeStun(payload);
    if (!message.ok) return;
    for (const port of this.#ports.values()) {
      const { discovery, spec } = port;
      if (spec.link !== on.link || spec.listenPort !== on.port || discovery === undefined) continue;
      const now = this.#parts.loop.now();
      if (discovery.received(message.value, from, now)) return this.#turn(port, discovery, now);
    }
    this.#parts.received(message.value, from, on);
  }

  #begin(port: Port, now: Instant): void {
    const { spec } = port;
    const link = this.#links.get(spec.link);
    // IPv4 first: it is there that gateways translate.  Of a link or servers without it, what IPv6 meets is asked too.
    const asks = (v4: boolean): boolean =>
      link?.raws.some((raw) => isIpv4(raw.local) === v4) === true && this.#servers.some(({ ip }) => isIpv4(ip) === v4);
    const v4 = asks(true) || !asks(false);
    const local = link?.raws.find((raw) => isIpv4(raw.local) === v4)?.local;
    const servers = this.#servers.filter(({ ip }) => isIpv4(ip) === v4);
    port.nextAt = undefined;
    if (link === undefined || local === undefined || servers.length === 0) return;
    const filtering = link.filtering === undefined && this.#isFirst(port);
    port.discovery = new Discovery(
      { servers, local: { ip: local, port: spec.listenPort }, filtering, random: () => randomBytes(12) },
      now,
    );
  }

  #turn(port: Port, discovery: Discovery, now: Instant): void {
    const { link, listenPort, ifname } = port.spec;
    for (const { to, bytes } of discovery.wake(now)) this.raw(link, to.ip)?.send(bytes, listenPort, to);
    const { result, mapped } = discovery;
    if (result === undefined && mapped !== undefined && port.behavior === undefined) {
      port.behavior = { mapped, mapping: "unknown", filtering: "unknown", ports: [], why: "being looked at" };
      this.#parts.changed(ifname);
    }
    if (result === undefined) return;
    const before = port.behavior;
    port.discovery = undefined;
    const nothing = result.mapped === undefined;
    port.silences = nothing ? port.silences + 1 : 0;
    // Servers may be away for a moment; what they told stands for so long.
    port.behavior = nothing && before !== undefined && port.silences < MOST_SILENCES ? before : result;
    port.nextAt = after(now, nothing ? RETRY : this.#interval);
    const outside = this.#links.get(link);
    if (outside !== undefined && this.#isFirst(port)) {
      if (result.filtering !== "unknown") outside.filtering = result.filtering;
      this.#tell(port, { ...result, filtering: outside.filtering ?? "unknown" });
    }
    if (JSON.stringify(before) !== JSON.stringify(port.behavior)) this.#parts.changed(ifname);
  }

  #tell({ spec }: Port, behavior: Behavior): void {
    this.#parts.behavior(spec.link, spec.listenPort, behavior);
  }

  /** What was found; of the kind of a gateway, what another port of the link has found sooner. */
  #known(port: Port, { mapped, mapping, ports }: Behavior): Outward {
    const beside = [...this.#ports.values()].flatMap(({ spec, behavior }) =>
      spec.link === port.spec.link && behavior?.mapped?.ip === mapped?.ip ? (behavior ?? []) : [],
    );
    const kind =
      mapping === "unknown" ? (beside.find((each) => each.mapping !== "unknown")?.mapping ?? mapping) : mapping;
    const step = stepOf(ports) ?? beside.map((each) => stepOf(each.ports)).find((each) => each !== undefined);
    if (mapped === undefined || step === undefined || !isHard(kind)) return { mapped, mapping: kind, step: undefined };
    // All take from the same count: the next one follows the last that anybody was given.
    const taken = beside.flatMap((each) => [each.mapped?.port ?? mapped.port, ...each.ports]);
    const last = step > 0 ? Math.max(mapped.port, ...taken) : Math.min(mapped.port, ...taken);
    return { mapped: { ip: mapped.ip, port: last }, mapping: kind, step };
  }

  /** What can be said by the words of other sites: where they see the port, and whether they agree. */
  #reflected(port: Port): Behavior {
    const all = [...port.seen.values()];
    const [mapped] = all;
    const local = this.#links.get(port.spec.link)?.sight.addresses ?? [];
    const own = mapped !== undefined && local.includes(mapped.ip) && mapped.port === port.spec.listenPort;
    const agree = all.every((each) => each.ip === mapped?.ip && each.port === mapped.port);
    const several = agree ? "endpoint-independent" : "address-and-port-dependent";
    const mapping = own ? "none" : all.length > 1 ? several : "unknown";
    const why = mapped === undefined ? "nobody has seen it" : `seen by ${[...port.seen.keys()].join(", ")}`;
    return { mapped, mapping, filtering: "unknown", ports: [], why };
  }

  /** The one of its link that speaks for it. */
  #isFirst(port: Port): boolean {
    const same = [...this.#ports.values()].filter(({ spec }) => spec.link === port.spec.link);
    return same.every(({ spec }) => spec.listenPort >= port.spec.listenPort);
  }
}

const RETRY = seconds(10);
const MOST_SILENCES = 6;
const OPEN_AGAIN = seconds(1);
