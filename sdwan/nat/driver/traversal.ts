/**
 * NAT traversal of this host's tunnels: learns where they are reached (ports.ts), tells the other sites (rendezvous.ts),
 * looks for direct ways (checks.ts), hands those to the tunnels, and decides who carries packets while there is none.
 */
import { formatIp } from "../../../base/address.ts";
import { formatEndpoint, parseEndpoint } from "../../../base/endpoint.ts";
import { Fault } from "../../../base/fault.ts";
import { after, earliest, type Instant, ms, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { StunAddress, StunMessage } from "../../../netstack/stun/packet.ts";
import { Resolver } from "../../overlay/driver/resolver.ts";
import type { TunnelDriver, TunnelView } from "../../overlay/driver/words.ts";
import type { NatReport, UnderlayPlan } from "../../underlay-plan.ts";
import type { Check } from "../attempt.ts";
import { Meeting } from "../meeting.ts";
import type { Offer, OfferedTunnel } from "../offer.ts";
import { Checks } from "./checks.ts";
import { isBound, MovedPorts } from "./moved-ports.ts";
import { Ports } from "./ports.ts";
import type { RawUdp } from "./raw-udp.ts";
import { Rendezvous, RendezvousMemory } from "./rendezvous.ts";
import { sightsOf, type TraversalLink } from "./sights.ts";
import { Speaking } from "./speaking.ts";

export interface TraversalParts {
  readonly loop: Loop;
  readonly wall: () => number;
  readonly tunnels: Pick<TunnelDriver, "views" | "carriage" | "endpoint" | "listenPort" | "look">;
  readonly nat: (link: string, report: NatReport) => void;
  readonly event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
}

interface Seat {
  readonly ifname: string;
  readonly site: string;
  readonly meeting: Meeting;
  view: TunnelView;
}

export class Traversal implements Disposable {
  readonly #parts: TraversalParts;
  readonly #ports: Ports;
  readonly #resolver: Resolver;
  readonly #memory: RendezvousMemory;
  readonly #seats = new Map<string, Seat>();
  readonly #moved = new MovedPorts();
  /** Tunnels (`keyOf`) through which no probes come. */
  readonly #mute = new Set<string>();
  readonly #speaking = new Speaking();
  #plan: UnderlayPlan | undefined;
  #links: readonly TraversalLink[] = [];
  #rendezvous: Rendezvous | undefined;
  /** Whose name our offers bear. */
  #site: string | undefined;
  #checks: Checks<Seat> | undefined;
  #met: string | undefined;
  #openAt: Instant | undefined;
  /** Why the rendezvous cannot be opened, as it was told. */
  #blocked: string | undefined;
  #lookAt: Instant;
  #alarm: Disposable | undefined;

  constructor(parts: TraversalParts) {
    this.#parts = parts;
    const { loop } = parts;
    this.#memory = new RendezvousMemory(parts.wall());
    this.#lookAt = loop.now();
    this.#resolver = new Resolver(loop, () => this.#serversChanged());
    this.#ports = new Ports({
      loop,
      received: (message, from, on) => this.#received(message, from, on),
      changed: (ifname) => this.#ownChanged(ifname),
      behavior: (link, port, { mapping, filtering, mapped, why }) => {
        const address = mapped === undefined ? undefined : formatIp(mapped.ip);
        const portPreserved = mapped === undefined ? undefined : mapped.port === port;
        parts.nat(link, { mapping, filtering, address, portPreserved, at: parts.wall(), why });
      },
    });
  }

  plan(plan: UnderlayPlan): void {
    this.#plan = plan;
    const identity = JSON.stringify([plan.site, plan.rendezvous]);
    if (identity !== this.#met) {
      this.#met = identity;
      this.#checks = new Checks(plan.site, plan.rendezvous?.sites ?? {});
      this.#meet(plan);
      // A key of ours that is new to them is known to be ours when we have spoken with it.
      for (const site of new Set([...this.#seats.values()].map((seat) => seat.site))) this.#tell(site);
    }
    this.#replan();
    this.#serversChanged();
    this.#look();
  }

  links(links: readonly TraversalLink[]): void {
    this.#links = links;
    this.#ports.links(sightsOf(this.#plan, this.#links));
    this.#schedule();
  }

  /** Something below moved, or an operator asks. */
  rediscover(link: string | undefined): void {
    this.#ports.again(link);
    this.#schedule();
  }

  /** A tunnel's state is another one than before. */
  tunnelsChanged(): void {
    this.#look();
  }

  /** Whether probes come through a tunnel to a site. */
  probed(ifname: string, site: string, alive: boolean): void {
    const key = keyOf(ifname, site);
    if (alive === !this.#mute.has(key)) return;
    if (alive) this.#mute.delete(key);
    else this.#mute.add(key);
    const seat = this.#seats.get(key);
    if (seat === undefined) return;
    // By a relay they say nothing of the direct way.
    if (alive && seat.view.via === "direct") seat.meeting.trust(this.#parts.loop.now());
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]();
    this.#rendezvous?.[Symbol.dispose]();
    this.#resolver[Symbol.dispose]();
    this.#ports[Symbol.dispose]();
  }

  #meet({ site, rendezvous }: UnderlayPlan): void {
    if (rendezvous !== undefined && site === this.#site && this.#rendezvous?.meets(rendezvous) === true)
      return this.#rendezvous.meet(rendezvous);
    this.#site = site;
    this.#rendezvous?.[Symbol.dispose]();
    this.#rendezvous = undefined;
    this.#open();
  }

  #open(): void {
    const plan = this.#plan;
    this.#openAt = undefined;
    if (plan?.rendezvous === undefined) return;
    const { loop, event } = this.#parts;
    try {
      this.#rendezvous = new Rendezvous({
        loop,
        site: plan.site,
        spec: plan.rendezvous,
        memory: this.#memory,
        offered: (offer) => this.#offered(offer),
        unheard: (site) => this.#tell(site),
      });
    } catch (error) {
      // Somebody else's port: tunnels with known endpoints need nobody's help.
      if (!(error instanceof Fault)) throw error;
      if (this.#blocked !== error.message) event("wan.rendezvous-failed", { why: error.message, level: "error" });
      this.#blocked = error.message;
      this.#openAt = after(loop.now(), OPEN_AGAIN);
      return;
    }
    this.#blocked = undefined;
  }

  #replan(): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    const now = new Map(this.#parts.tunnels.views().map(({ ifname, listenPort }) => [ifname, listenPort]));
    this.#ports.plan(
      plan.tunnels.map(({ ifname, link, listenPort }) => ({ ifname, link, listenPort: now.get(ifname) ?? listenPort })),
      plan.stun.interval,
    );
    this.#ports.links(sightsOf(this.#plan, this.#links));
  }

  #serversChanged(): void {
    const found = (this.#plan?.stun.servers ?? []).flatMap((server) => this.#resolver.endpoints(server).slice(0, 2));
    this.#ports.servers(found.flatMap((each) => addressOf(each) ?? []));
    this.#schedule();
  }

  /** What tunnels do now, compared with what was known of them. */
  #look(): void {
    const { loop, tunnels } = this.#parts;
    const now = loop.now();
    const views = tunnels.views();
    const keep = new Set<string>();
    for (const view of views) {
      const key = keyOf(view.ifname, view.site);
      keep.add(key);
      const known = this.#seats.get(key);
      // What is known of another end is nothing to this one.
      const seat = (known?.view.remoteLink === view.remoteLink ? known : undefined) ?? {
        ifname: view.ifname,
        site: view.site,
        meeting: new Meeting(Math.random, (port) => this.#isTaken(port), (this.#plan?.site ?? "") > view.site),
        view,
      };
      this.#seats.set(key, seat);
      seat.view = view;
    }
    for (const key of this.#seats.keys()) if (!keep.has(key)) this.#seats.delete(key);
    for (const key of this.#mute) if (!keep.has(key)) this.#mute.delete(key);
    for (const [key, { meeting, view, ifname, site }] of this.#seats) {
      if (!this.#mute.has(key) || view.via !== "direct" || !meeting.doubt(now)) continue;
      this.#parts.event("wan.way-doubted", { tunnel: ifname, site, endpoint: view.endpoint, level: "debug" });
    }
    const bound = Map.groupBy([...this.#seats.values()].filter(isBound), ({ ifname }) => ifname);
    for (const seat of this.#seats.values()) {
      const { view } = seat;
      const relay = view.relay;
      const carrier = relay === undefined ? undefined : this.#seats.get(keyOf(view.ifname, relay));
      const changed = seat.meeting.look(
        {
          direct: view.direct,
          lastHandshake: view.lastHandshake,
          endpoint: addressOf(view.endpoint),
          via: view.via,
          relay: relay === undefined ? undefined : { site: relay, works: carrier?.meeting.direct === true },
          listenPort: view.listenPort,
          mayMove: (bound.get(seat.ifname) ?? []).every((each) => each === seat),
        },
        now,
      );
      const moved = seat.meeting.own(this.#ports.end(view.ifname), now);
      if (changed || moved) this.#tell(view.site);
      this.#carry(seat, now);
    }
    const planned = (ifname: string) => this.#plan?.tunnels.find((each) => each.ifname === ifname)?.listenPort;
    for (const ifname of this.#moved.idle(this.#seats.values(), planned, now)) tunnels.listenPort(ifname, undefined);
    this.#speaking.keep(new Set(views.map(({ site }) => site)));
    this.#replan();
    const busy = [...this.#seats.values()].some(({ meeting }) => meeting.attempt !== undefined);
    this.#lookAt = after(now, busy ? EAGER : CALM);
    this.#schedule();
  }

  #isTaken(port: number): boolean {
    const plan = this.#plan;
    return plan?.rendezvous?.port === port || plan?.tunnels.some(({ listenPort }) => listenPort === port) === true;
  }

  #carry(seat: Seat, now: Instant): void {
    const via = seat.meeting.carriage(now);
    if (via === seat.view.via) return;
    this.#parts.tunnels.carriage(seat.ifname, seat.site, via);
    const { ifname, site } = seat;
    this.#parts.event("wan.carriage", { tunnel: ifname, site, from: seat.view.via, to: via });
    seat.view = { ...seat.view, via };
  }

  #ownChanged(ifname: string): void {
    const now = this.#parts.loop.now();
    const end = this.#ports.end(ifname);
    for (const seat of this.#seats.values())
      if (seat.ifname === ifname && seat.meeting.own(end, now)) this.#tell(seat.site);
    this.#schedule();
  }

  #tell(site: string): void {
    this.#speaking.begin(site, this.#parts.loop.now());
    this.#schedule();
  }

  #offered(offer: Offer): void {
    const now = this.#parts.loop.now();
    let answer = false;
    for (const tunnel of offer.tunnels) {
      for (const seat of this.#seats.values()) {
        if (seat.site !== offer.from || !this.#isOf(seat, tunnel)) continue;
        answer = seat.meeting.heard(tunnel, now) || answer;
        this.#ports.seenBy(offer.from, seat.ifname, tunnel.seen);
        this.#carry(seat, now);
      }
    }
    if (answer) this.#tell(offer.from);
    this.#schedule();
  }

  /** Their link is our remote one, and the other way round. */
  #isOf({ view }: Seat, { link, peerLink, dscp }: OfferedTunnel): boolean {
    return view.link === peerLink && view.remoteLink === link && this.#dscpOf(view.ifname) === dscp;
  }
  #dscpOf(ifname: string): number {
    return this.#plan?.tunnels.find((each) => each.ifname === ifname)?.dscp ?? 0;
  }

  #received(message: StunMessage, from: StunAddress, on: { link: string; port: number; raw: RawUdp }): void {
    if (message.proof === undefined || this.#checks === undefined) return;
    const now = this.#parts.loop.now();
    const asked = this.#checks.asked(message, from);
    if (asked !== undefined) {
      on.raw.send(asked.answer, on.port, from);
      for (const { site, view, meeting } of this.#seats.values()) {
        if (site === asked.site && view.link === on.link && meeting.attempt?.ports.has(on.port) === true)
          meeting.attempt.asked(from, on.port, now);
      }
      return this.#schedule();
    }
    const answered = this.#checks.answered(message, from);
    if (answered === undefined || answered.whose.view.link !== on.link) return;
    answered.whose.meeting.attempt?.answered(answered.check, now);
    this.#schedule();
  }

  #wake(): void {
    const { loop } = this.#parts;
    const now = loop.now();
    if (this.#openAt !== undefined && now >= this.#openAt) this.#open();
    this.#ports.wake(now);
    const seats = [...this.#seats.values()];
    const targets = seats.reduce((sum, { meeting }) => sum + (meeting.attempt?.targets ?? 0), 0);
    for (const seat of seats) this.#turn(seat, now, Math.max(1, targets / MOST_TARGETS));
    this.#speaking.wake(now, (site) => this.#speak(site));
    if (now >= this.#lookAt) this.#look();
    else this.#schedule();
  }

  /** Whether the ways to the site are all direct. */
  #speak(site: string): boolean {
    const seats = [...this.#seats.values()].filter((each) => each.site === site);
    const direct = seats.every(({ meeting }) => meeting.direct);
    const offers = this.#offersTo(site);
    this.#rendezvous?.send(site, offers);
    // While a way is looked for, none may work that leads there.
    const isSettled = direct && seats.every(({ meeting }) => meeting.attempt === undefined);
    const relays = new Set(isSettled ? [] : seats.flatMap(({ view }) => view.relay ?? []));
    for (const relay of relays) this.#rendezvous?.send(site, offers, relay);
    return direct;
  }

  #turn(seat: Seat, now: Instant, slower: number): void {
    const { meeting, ifname, site } = seat;
    for (const check of meeting.attempt?.wake(now, slower) ?? []) this.#check(seat, check);
    const { way, begun, failed } = meeting.wake(now);
    if (begun === true) {
      this.#tell(site);
      for (const check of meeting.attempt?.wake(now, slower) ?? []) this.#check(seat, check);
    }
    if (failed === true) {
      this.#parts.event("wan.no-direct-way", { tunnel: ifname, site, level: "debug" });
      // A gateway that counts has counted on: the next attempt goes by where it is then.
      if (this.#ports.end(ifname).step !== undefined) this.#ports.again(seat.view.link);
    }
    if (way === undefined) return;
    // The other end is told at once.
    this.#lookAt = now;
    const endpoint = formatEndpoint(way.endpoint);
    this.#parts.event("wan.way-found", { tunnel: ifname, site, endpoint, found: way.found, port: way.localPort });
    if (way.localPort !== seat.view.listenPort) this.#parts.tunnels.listenPort(ifname, way.localPort);
    // What WireGuard calls already is not called anew: its session may be the one that works.
    const isThere = seat.view.direct && endpoint === seat.view.endpoint && way.localPort === seat.view.listenPort;
    if (!isThere) this.#parts.tunnels.endpoint(ifname, site, endpoint, way.found);
    this.#parts.tunnels.look(ifname);
  }

  #check(seat: Seat, check: Check): void {
    const raw = this.#ports.raw(seat.view.link, check.to.ip);
    const bytes = raw === undefined ? undefined : this.#checks?.request(seat.site, { whose: seat, check });
    if (raw !== undefined && bytes !== undefined) raw.send(bytes, check.fromPort, check.to);
  }

  #offersTo(site: string): readonly OfferedTunnel[] {
    return [...this.#seats.values()]
      .filter((seat) => seat.site === site)
      .map(({ view, meeting }) => ({
        link: view.link,
        peerLink: view.remoteLink,
        dscp: this.#dscpOf(view.ifname),
        ...meeting.offer(),
        seen: meeting.direct ? addressOf(view.endpoint) : undefined,
      }));
  }

  #schedule(): void {
    const { loop } = this.#parts;
    let due = earliest(this.#openAt, earliest(this.#lookAt, this.#ports.due()));
    for (const { meeting } of this.#seats.values()) due = earliest(due, meeting.due);
    due = earliest(due, this.#speaking.due());
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = due === undefined ? undefined : loop.wakeAt(due, () => this.#wake());
  }
}

function keyOf(ifname: string, site: string): string {
  return `${ifname} ${site}`;
}

function addressOf(endpoint: string | undefined): StunAddress | undefined {
  const read = parseEndpoint(endpoint ?? "");
  return read.ok ? read.value : undefined;
}

/** In one round of all attempts, 100 ms: more of them take longer. */
const MOST_TARGETS = 200;
const CALM = seconds(1);
const EAGER = ms(200);
const OPEN_AGAIN = seconds(10);
