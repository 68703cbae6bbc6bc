/**
 * The loop of the control process: configuration and facts → desired state → children.  Coalesced (many changes, one
 * pass) and idempotent (a pass without a change sends nothing).  Time, processes and sockets are parameters.
 */
import { formatIp } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { after, type Instant, instant, type Ms, ms, seconds } from "../base/unit.ts";
import type { Allocated } from "../resources/allocate.ts";
import type { ResourceSet } from "../resources/kinds.ts";
import type { Secrets } from "../resources/secret-files.ts";
import type { Settings } from "../resources/settings.ts";
import { sameContent } from "./config/canonical.ts";
import type { Live } from "./config/live.ts";
import { type Desired, type DesiredCondition, desired } from "./desired/desired.ts";
import type { Facts, InterfaceFact } from "./desired/facts.ts";
import { derivedRouterId } from "./desired/router-id.ts";
import type { WanBasis } from "./desired/wan-facts.ts";
import type { Events } from "./events.ts";
import type { Allocations } from "./parts/allocations.ts";
import type { Bfd } from "./parts/bfd.ts";
import type { Dataplanes } from "./parts/dataplanes.ts";
import { Leaving } from "./parts/leaving.ts";
import { LeavingRouted } from "./parts/leaving-routed.ts";
import type { Routing } from "./parts/routing.ts";
import type { Vips } from "./parts/vips.ts";
import type { Wan } from "./parts/wan.ts";
import { Conditions } from "./status/conditions.ts";
import { partConditions } from "./status/part-conditions.ts";
import { RoutingConditions } from "./status/routing-conditions.ts";
import { WanConditions } from "./status/wan-conditions.ts";

export interface ControlParts {
  readonly live: Live;
  readonly allocations: Allocations;
  readonly dataplanes: Dataplanes;
  readonly vips: Vips;
  readonly routing: Routing;
  readonly bfd: Bfd;
  readonly wan: Wan;
  readonly wanBasis: WanBasis;
  readonly host: Host;
  /** Calls to these addresses ("192.0.2.1/32") get no answer from now on, and for some seconds; throws a Fault. */
  readonly overlook: (addresses: readonly string[]) => void;
  readonly events: Events;
  readonly clock: Clock;
  readonly wall: () => number;
  /** A pass is over. */
  readonly settled: () => void;
}

/** What control asks about this machine; read anew at each call. */
export interface Host {
  readonly hostname: string;
  ipv6(): boolean;
  interfaces(): readonly InterfaceFact[];
  /** Whether `interfaces` may answer differently than at the last call of this. */
  changed(): boolean;
}

/** What facts belong to: key and secrets are those of a configuration. */
interface Configured {
  readonly settings: Settings;
  readonly resources: ResourceSet;
  readonly key: string;
  readonly secrets: Secrets;
}

export interface DrainTimes {
  /** The next owner sends the packets of our flows back to us for so long: longer than the requests under way get. */
  readonly handover: Ms;
  /** At most so long until pulse confirms. */
  readonly withdrawal: Ms;
  /** Connections that began just before may still be half open: their listeners stay for so long. */
  readonly linger: Ms;
  /** Requests under way get so long. */
  readonly grace: Ms;
}
const DRAIN_TIMES: DrainTimes = { handover: ms(12_000), withdrawal: ms(3_000), linger: ms(500), grace: ms(10_000) };

const FAREWELL = ms(500);
/** States of a routed virtual IP in which routers may send to it. */
const ON_THE_WIRE: ReadonlySet<string> = new Set(["announced", "bound"]);
/** A data plane that does not take a configuration must not keep the virtual IPs at the old one for ever. */
const LONGEST_FOLLOW = seconds(2);
/** An earlier control's processes must not keep everything as it was for ever. */
const LONGEST_TAKEOVER = seconds(5);
/** Callers that are not heard try again after a second, then after three. */
const LONGEST_HUSH = ms(800);
/** How old the picture of the interfaces may be. */
const LOOK_EVERY = ms(500);

export class Control {
  readonly #parts: ControlParts;
  readonly #leaving = new Leaving();
  readonly #leavingRouted = new LeavingRouted();
  readonly #routingConditions: RoutingConditions;
  readonly #wanConditions: WanConditions;
  readonly conditions: Conditions;
  #desired: Desired | undefined;
  #allocated: Allocated | undefined;
  /** What the plan of the virtual IPs is made from. */
  #followed:
    | {
        readonly settings: Settings;
        readonly resources: ResourceSet;
        readonly allocated: Allocated;
        readonly key: string;
        readonly secrets: Secrets;
      }
    | undefined;
  #takeOverBy: Instant | undefined;
  #followBy: { readonly generation: number; readonly at: Instant } | undefined;
  #eligible: ReadonlySet<string> = new Set();
  #interfaces: readonly InterfaceFact[] = [];
  /** Derived once: another one would end every session. */
  #routerId: string | undefined;
  #queued = false;
  #draining = false;
  /** Stopping, and announced as before. */
  #hushing = false;
  #hurried = false;
  /** Another control has the word from now on. */
  #left = false;
  #stopped: Promise<void> | undefined;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.conditions = new Conditions(parts.events, parts.wall);
    this.#routingConditions = new RoutingConditions(parts.clock, () => this.changed());
    this.#wanConditions = new WanConditions(parts.clock, () => this.changed());
  }

  get desired(): Desired | undefined {
    return this.#desired;
  }
  get allocated(): Allocated | undefined {
    return this.#allocated;
  }
  get draining(): boolean {
    return this.#draining;
  }

  start(): void {
    const { vips, routing, wan, dataplanes, clock } = this.#parts;
    this.#keepLooking();
    vips.start();
    routing.adopt();
    wan.adopt();
    dataplanes.start();
    this.#takeOverBy = after(clock.now(), LONGEST_TAKEOVER);
    if (this.#isTakingOver()) clock.wakeAt(this.#takeOverBy, () => this.changed());
    this.pass();
  }

  /** A pass when the interfaces are others than they were. */
  lookAround(): void {
    const interfaces = this.#parts.host.interfaces();
    if (sameContent(interfaces, this.#interfaces)) return;
    this.#interfaces = interfaces;
    this.changed();
  }

  #keepLooking(): void {
    const { host, clock } = this.#parts;
    if (this.#draining) return;
    if (host.changed()) this.lookAround();
    // On the same multiples as the pings.
    clock.wakeAt(instant((Math.floor(clock.now() / LOOK_EVERY) + 1) * LOOK_EVERY), () => this.#keepLooking());
  }

  /** Another configuration is in force. */
  reconfigured(): void {
    this.#allocated = undefined;
    this.changed();
  }

  /** Something that the desired state depends on has changed: one pass follows before the next event. */
  changed(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.pass();
    });
  }

  pass(): void {
    if (this.#left) return;
    const { live, allocations, dataplanes, vips, routing, bfd, wan, settled } = this.#parts;
    const { settings, resources, key, secrets } = live.current;
    this.#allocated ??= allocations.next(resources);
    const next = desired(settings, resources, this.#allocated, this.#facts({ settings, resources, key, secrets }));
    const before = this.#inForce(next);
    if (before === next) this.#letLeave();
    else {
      this.#leaving.compare(before, next);
      this.#leavingRouted.compare(before, next);
    }
    const { proxy, sockets } = this.#leavingRouted.carried(this.#leaving.carried(next));
    if (!this.#draining) dataplanes.want(proxy, sockets);
    if (this.#followed === undefined && this.#isTakingOver()) {
      // What runs goes on as an earlier control had it.
      this.conditions.replace(live.conditions());
      return settled();
    }
    if (this.#mayFollow()) {
      if (before !== next && this.#leaving.size + this.#leavingRouted.size > 0) this.changed();
      this.#followed = { settings, resources, allocated: this.#allocated, key, secrets };
      dataplanes.prune();
    }
    const followed = this.#inForce(next);
    const plan = this.#leaving.planned(followed.vips);
    const routes = this.#leavingRouted.planned(followed.routing);
    this.#desired = { ...next, vips: plan, routing: routes };
    const planned = [...plan.segments.flatMap((segment) => segment.vips), ...(routes?.vips ?? [])];
    this.#eligible = new Set(planned.filter(({ eligible }) => eligible).map(({ name }) => name));
    vips.want(plan);
    bfd.want(followed.bfd);
    routing.want(routes, this.#routerId);
    if (!followed.wanHeld) wan.want(followed.wan, (wish) => bfd.sessionOf(wish));
    this.conditions.replace([...live.conditions(), ...next.conditions, ...this.#conditionsOfParts()]);
    settled();
  }

  /**
   * The virtual IPs follow a new configuration when the data planes carry it, not before: else a VIP with a new port
   * would be given up until the port is listened on, a few milliseconds later.
   */
  #mayFollow(): boolean {
    const { live, dataplanes, clock } = this.#parts;
    const { generation } = live;
    if (this.#followed === undefined || dataplanes.settled() || this.#draining) return true;
    if (this.#followBy?.generation !== generation) {
      this.#followBy = { generation, at: after(clock.now(), LONGEST_FOLLOW) };
      clock.wakeAt(this.#followBy.at, () => this.changed());
    }
    return clock.now() >= this.#followBy.at;
  }

  /**
   * Processes of an earlier control run, and not all that plans depend on is known: who listens, who is healthy, which
   * sessions are wanted.  A plan now would undo what the next one makes again.
   */
  #isTakingOver(): boolean {
    const { vips, routing, wan, dataplanes, clock } = this.#parts;
    const telling = vips.telling || routing.telling || wan.telling || dataplanes.takingOver();
    return telling && this.#takeOverBy !== undefined && clock.now() < this.#takeOverBy && !this.#draining;
  }

  #inForce(next: Desired): Desired {
    const { settings, resources } = this.#parts.live.current;
    const followed = this.#followed;
    if (followed === undefined || (followed.settings === settings && followed.resources === resources)) return next;
    return desired(followed.settings, followed.resources, followed.allocated, this.#facts(followed));
  }

  #letLeave(): void {
    const { vips, routing, clock } = this.#parts;
    const owns = (vip: string): boolean => vips.reports.get(vip)?.report.state === "owner";
    const announced = (vip: string): boolean => ON_THE_WIRE.has(routing.vips.get(vip)?.report.state ?? "");
    const wake = (at: Instant): void => void clock.wakeAt(at, () => this.changed());
    this.#leaving.advance(clock.now(), owns, wake);
    this.#leavingRouted.advance(clock.now(), announced, wake);
  }

  /** What keeps the daemon from serving what the files say; undefined when nothing does. */
  notReady(): string | undefined {
    const { dataplanes, vips, routing, wan } = this.#parts;
    if (this.#draining) return "draining";
    if (!dataplanes.applied()) return "a data plane has not applied the configuration";
    if (!vips.applied()) return "pulse has not taken over the virtual IPs";
    if (!routing.applied()) return "the routing process has not taken over the virtual IPs";
    return wan.applied() ? undefined : "the wan process has not looked at the links";
  }

  /** Every part answers: what the watchdog wants to know. */
  alive(): boolean {
    const { dataplanes, vips, routing, wan } = this.#parts;
    return dataplanes.alive() && vips.alive() && routing.alive() && wan.alive();
  }

  /** Graceful end: the addresses first, then the requests under way, then pulse.  Once; later calls wait for the first. */
  stop(times: DrainTimes = DRAIN_TIMES): Promise<void> {
    this.#stopped ??= this.#stop(times);
    return this.#stopped;
  }

  /** Nothing is said to anybody: processes and kernel go on as they are, for another control to take over. */
  async leave(): Promise<void> {
    this.#left = true;
    await this.#parts.wan.leave();
  }

  /** No patience: requests under way end, pulse has a moment to say goodbye.  Ends what `stop` waits for. */
  hurry(): void {
    this.#draining = true;
    this.#hurried = true;
    this.#parts.dataplanes.kill();
    void this.#parts.vips.stop(FAREWELL);
    void this.#parts.routing.stop(this.keepsRoutes, FAREWELL);
    void this.#parts.wan.stop(this.keepsTunnels, FAREWELL);
  }

  /** At the end: what is announced stays with the peers, and in the kernel, for the next start. */
  get keepsRoutes(): boolean {
    const { live, routing } = this.#parts;
    return live.current.settings.routing.onStop === "keep" && routing.plan !== undefined;
  }

  /** At the end: tunnels, and the routes of choices, go on carrying traffic. */
  get keepsTunnels(): boolean {
    const { live, wan } = this.#parts;
    const something = wan.plan !== undefined || this.#desired?.wanHeld === true;
    return live.current.settings.sdwan.onStop === "keep" && something;
  }

  async #stop({ handover, withdrawal, linger, grace }: DrainTimes): Promise<void> {
    const { vips, routing, wan, dataplanes, events, clock, live } = this.#parts;
    this.#draining = true;
    events.emit("daemon.draining", { handover, grace });
    const keep = this.keepsRoutes;
    if (keep) routing.hold();
    const announced = !keep && [...routing.vips.values()].some(({ report }) => ON_THE_WIRE.has(report.state));
    const owner = [...vips.reports.values()].some(({ report }) => report.state === "owner");
    const owned = announced || owner;
    const quiet = announced && !owner && !this.#hurried && (await this.#hush());
    const { drain } = live.current.settings.routing;
    const patience = announced && !quiet && !this.#hurried ? drain : ms(0);
    const withdrawn = keep ? undefined : routing.withdraw(patience, withdrawal);
    await Promise.all([vips.withdraw(handover, withdrawal), withdrawn]);
    if (owned && !this.#hurried)
      await new Promise<void>((resolve) => void clock.wakeAt(after(clock.now(), linger), resolve));
    await dataplanes.drain(grace);
    // In this order: a peer that hears that BFD ends would think that it lost us.
    await routing.stop(keep, seconds(3));
    await Promise.all([vips.stop(seconds(3), !this.keepsTunnels), wan.stop(this.keepsTunnels, seconds(3))]);
  }

  /**
   * Routers that send elsewhere take flows away in the middle of a request: they shall find none.  Who calls meanwhile
   * gets no answer, calls again, and finds another host.  (An owner of other virtual IPs hands its flows over instead.)
   * False: some flows last too long.
   */
  async #hush(): Promise<boolean> {
    const { events, overlook, routing } = this.#parts;
    const addresses = routing.plan?.vips.flatMap((vip) => vip.addresses) ?? [];
    try {
      overlook(addresses);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Without it callers go on coming, and those that are here at the withdrawal are lost: no reason not to stop.
      events.emit("daemon.not-overlooked", { why: error.message }, "warn");
    }
    this.#hushing = true;
    const quiet = await this.#parts.dataplanes.hush(LONGEST_HUSH);
    this.#hushing = false;
    return quiet;
  }

  /** Key and secrets belong to a configuration: one without virtual IPs has none, and the one before is still followed. */
  #facts({ settings, resources, key, secrets }: Configured): Facts {
    const { dataplanes, host, routing, wan, wanBasis } = this.#parts;
    const basis = wanBasis.of(settings, resources);
    const remembered = routing.rememberedRouterId;
    // Of another host, whose disk this one was made from, it would be wrong: then no interface has it.
    const here = this.#interfaces.some(({ addresses }) => addresses.some((ip) => formatIp(ip) === remembered));
    this.#routerId ??= derivedRouterId({ routerId: here ? remembered : undefined, interfaces: this.#interfaces });
    return {
      hostname: host.hostname,
      key,
      ipv6: host.ipv6(),
      interfaces: this.#interfaces,
      listening: dataplanes.listening(),
      health: new Map([...dataplanes.health].map(([key, { healthy }]) => [key, healthy])),
      eligible: this.#eligible,
      draining: this.#draining && !this.#hushing,
      secrets,
      routerId: this.#routerId,
      wan: basis === undefined ? undefined : { ...basis, links: wan.links, tunnels: wan.tunnels, proxied: wan.proxied },
    };
  }

  #conditionsOfParts(): readonly DesiredCondition[] {
    const { routing, bfd, wan, wanBasis } = this.#parts;
    const own = partConditions(this.#parts);
    // What ends on purpose is nothing to complain about.
    if (this.#draining) return own;
    const routed = this.#routingConditions.of(routing, (client) => bfd.isUnguarded(client));
    return [...own, ...routed, ...bfd.conditions(), ...this.#wanConditions.of(wan), ...wanBasis.conditions()];
  }
}
