/**
 * All tunnels of this host: makes and adopts their WireGuard devices, keeps them as the plan wants them, tells what they
 * do.  Part of the wan process (words.ts).
 */
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, ms, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { type Change, watch } from "../../../netstack/kernel/netlink/watch.ts";
import type { TunnelPeerSpec, TunnelReport } from "../../underlay-plan.ts";
import { foundOf } from "../peer-life.ts";
import { carrierOf, peerOf } from "../want.ts";
import type { DeviceSettings } from "./device-parts.ts";
import { Host } from "./host.ts";
import { Resolver } from "./resolver.ts";
import { TunnelDevice } from "./tunnel-device.ts";
import type { OverlayPlan, TunnelDriver, TunnelParts, TunnelView, UnderlayLink } from "./words.ts";

export class Tunnels implements TunnelDriver {
  readonly #parts: TunnelParts;
  readonly #loop: Loop;
  readonly #host: Host;
  readonly #watching: Disposable;
  readonly #resolver: Resolver;
  readonly #devices = new Map<string, TunnelDevice>();
  readonly #leaving = new Set<string>();
  #links: readonly UnderlayLink[] = [];
  /** Device and site → what was told last, and when. */
  readonly #told = new Map<string, { readonly text: string; readonly at: Instant; readonly report: TunnelReport }>();
  #plan: OverlayPlan | undefined;
  /** What an earlier process left behind is gone, or on its way. */
  #swept = false;
  #stopped = false;
  #again: Disposable | undefined;
  #lastRefusal = "";

  /** For the network namespace that the calling thread is in. */
  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#loop = parts.loop;
    this.#host = new Host(parts.loop, parts.runDirectory);
    this.#resolver = new Resolver(parts.loop, (name, endpoints) => this.#resolved(name, endpoints));
    // What we change ourselves is no news.
    const on = { changed: (change: Change) => this.#changed(change) };
    this.#watching = watch(parts.loop, ["links", "addresses"], on, this.#host.route.port);
  }

  plan(plan: OverlayPlan): void {
    this.#plan = plan;
    this.#realise(plan);
  }

  /** What the kernel refuses for one device keeps the others from nothing, and is tried again. */
  #realise(plan: OverlayPlan): void {
    this.#again?.[Symbol.dispose]();
    this.#again = undefined;
    const wanted = new Set(plan.tunnels.map(({ ifname }) => ifname));
    for (const [ifname, device] of this.#devices) {
      if (wanted.has(ifname)) continue;
      this.#devices.delete(ifname);
      device.leave();
      this.#remove(ifname);
    }
    this.#attempt(() => this.#sweep(wanted));
    const { site, privateKey, overlay, wireguard } = plan;
    for (const spec of plan.tunnels) this.#attempt(() => this.#want({ spec, site, privateKey, overlay, wireguard }));
    this.#forgetGone();
    if (this.#again === undefined) this.#lastRefusal = "";
  }

  /** Those that an earlier process left behind, and nobody wants any more. */
  #sweep(wanted: ReadonlySet<string>): void {
    if (this.#swept) return;
    for (const ifname of this.#host.ours()) if (!wanted.has(ifname)) this.#remove(ifname);
    this.#swept = true;
  }

  #want(settings: DeviceSettings): void {
    const { spec } = settings;
    const known = this.#devices.get(spec.ifname);
    if (known !== undefined && JSON.stringify(known.settings) === JSON.stringify(settings)) return;
    const device = known ?? this.#begin(settings);
    // A name that cannot be asked for now is asked for again when the tunnel does not work.
    for (const peer of spec.peers) this.#attempt(() => this.#endpointOf(device, peer));
    device.want(settings);
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      const { code, message: why } = cause;
      if (why !== this.#lastRefusal)
        this.#parts.tell({ kind: "event", name: "wan.tunnels-refused", fields: { code, why, level: "warn" } });
      this.#lastRefusal = why;
      this.#again ??= this.#loop.wakeAt(after(this.#loop.now(), RETRY), () => {
        if (this.#plan !== undefined) this.#realise(this.#plan);
      });
    }
  }

  links(links: readonly UnderlayLink[]): void {
    this.#links = links;
    for (const device of this.#devices.values()) device.underlay(this.#linkOf(device.settings.spec.link));
  }

  roamed(link: string): void {
    for (const device of this.#devices.values()) if (device.settings.spec.link === link) device.roamed();
  }

  carriage(ifname: string, site: string, via: string): void {
    this.#devices.get(ifname)?.carriage(site, via);
  }

  endpoint(ifname: string, site: string, endpoint: string, found: NonNullable<TunnelReport["found"]>): void {
    this.#devices.get(ifname)?.found(site, endpoint, found);
  }

  listenPort(ifname: string, port: number | undefined): void {
    this.#devices.get(ifname)?.port(port);
  }

  pathMtu(ifname: string, mtu: number | undefined): void {
    this.#devices.get(ifname)?.pathMtu(mtu);
  }

  views(): readonly TunnelView[] {
    return [...this.#devices.values()].flatMap((device) =>
      device.settings.spec.peers.map((peer): TunnelView => {
        const there = peerOf(peer, device.have);
        const life = device.life(peer.site);
        return {
          ifname: device.ifname,
          link: device.settings.spec.link,
          site: peer.site,
          remoteLink: peer.link,
          listenPort: device.listenPort,
          endpoint: there?.endpoint,
          found: foundOf(life, there?.endpoint),
          via: this.#viaOf(device, peer),
          relay: peer.relay,
          lastHandshake: there?.lastHandshake,
          direct: life.direct,
          received: there?.received ?? 0,
          sent: there?.sent ?? 0,
        };
      }),
    );
  }

  look(ifname?: string): void {
    for (const device of this.#devices.values()) if (ifname === undefined || device.ifname === ifname) device.look();
  }

  report(): void {
    this.#told.clear();
    for (const device of this.#devices.values()) this.#report(device);
  }

  stop(keep: boolean, done: () => void): void {
    const names = [...this.#devices.keys()];
    for (const device of this.#devices.values()) device.leave();
    this.#devices.clear();
    this.#stopped = true;
    this.#again?.[Symbol.dispose]();
    this.#plan = undefined;
    if (!keep) for (const ifname of names) this.#remove(ifname);
    this.#whenGone(done);
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#again?.[Symbol.dispose]();
    for (const device of this.#devices.values()) device.leave();
    this.#devices.clear();
    this.#resolver[Symbol.dispose]();
    this.#watching[Symbol.dispose]();
    this.#host[Symbol.dispose]();
  }

  #begin(settings: DeviceSettings): TunnelDevice {
    const { wall, tell } = this.#parts;
    const { ifname, link } = settings.spec;
    const device: TunnelDevice = new TunnelDevice(
      {
        loop: this.#loop,
        host: this.#host,
        wall,
        changed: () => this.#report(device),
        event: (name, fields) => tell({ kind: "event", name, fields }),
        resolve: (site) => {
          const peer = device.settings.spec.peers.find((each) => each.site === site);
          if (peer?.endpoint !== undefined) this.#resolver.again(peer.endpoint);
        },
      },
      settings,
      this.#linkOf(link),
    );
    this.#devices.set(ifname, device);
    return device;
  }

  #endpointOf(device: TunnelDevice, { site, endpoint }: TunnelPeerSpec): void {
    device.endpoints(site, endpoint === undefined ? [] : this.#resolver.endpoints(endpoint));
  }

  /** A name has other addresses than before. */
  #resolved(endpoint: string, endpoints: readonly string[]): void {
    for (const device of this.#devices.values()) {
      for (const peer of device.settings.spec.peers)
        if (peer.endpoint === endpoint) device.endpoints(peer.site, endpoints);
    }
  }

  #linkOf(name: string): UnderlayLink | undefined {
    return this.#links.find((link) => link.name === name);
  }

  #viaOf(device: TunnelDevice, peer: TunnelPeerSpec): string {
    const carrier = carrierOf(peer, device.settings.spec.peers, device.via);
    return carrier === peer.site ? "direct" : carrier;
  }

  #changed(change: Change): void {
    for (const device of this.#devices.values()) {
      const concerns =
        change.kind === "resync" ||
        (change.kind === "link" && change.link.name === device.ifname) ||
        (change.kind === "address" && change.address.index === device.index);
      if (concerns) device.look();
    }
  }

  #report(device: TunnelDevice): void {
    if (this.#stopped || this.#devices.get(device.ifname) !== device) return;
    const now = this.#loop.now();
    for (const peer of device.settings.spec.peers) {
      const report = this.#reportOf(device, peer);
      const { received, sent } = report;
      const key = keyOf(device.ifname, peer.site);
      // Counters and handshakes alone are told now and then.
      const text = JSON.stringify({ ...report, received: 0, sent: 0, lastHandshake: undefined });
      const told = this.#told.get(key);
      const counted = received !== told?.report.received || sent !== told.report.sent;
      const due = told === undefined || (counted && now >= after(told.at, COUNTERS_EVERY));
      if (told?.text === text && !due) continue;
      this.#told.set(key, { text, at: now, report });
      this.#parts.tell({ kind: "tunnel", tunnel: report });
    }
  }

  #reportOf(device: TunnelDevice, peer: TunnelPeerSpec): TunnelReport {
    const there = peerOf(peer, device.have);
    const own = device.life(peer.site);
    const via = this.#viaOf(device, peer);
    const carrier = via === "direct" ? own : device.life(via);
    return {
      ifname: device.ifname,
      link: device.settings.spec.link,
      site: peer.site,
      remoteLink: peer.link,
      state: carrier.state,
      why: via === "direct" ? own.why : `carried by ${via} (${carrier.why}); direct: ${own.why}`,
      since: carrier.since,
      engine: device.engine,
      via,
      endpoint: there?.endpoint,
      found: foundOf(own, there?.endpoint),
      lastHandshake: there?.lastHandshake,
      unshaken: via === "direct" && own.unshaken,
      received: there?.received ?? 0,
      sent: there?.sent ?? 0,
      mtu: device.mtu,
    };
  }

  /** What was told of and is no more. */
  #forgetGone(): void {
    const there = new Set(
      [...this.#devices.values()].flatMap(({ settings: { spec } }) =>
        spec.peers.map(({ site }) => keyOf(spec.ifname, site)),
      ),
    );
    for (const [key, { report }] of this.#told) {
      if (there.has(key)) continue;
      this.#told.delete(key);
      this.#parts.tell({ kind: "tunnel-gone", ifname: report.ifname, site: report.site });
    }
  }

  /** Asked to end, then made to: nothing of it is left when it is over. */
  #remove(ifname: string, tries = 0): void {
    this.#leaving.add(ifname);
    // Wanted again meanwhile.
    if (this.#devices.has(ifname) || this.#isGone(ifname, tries >= MOST_TRIES)) {
      this.#leaving.delete(ifname);
      return;
    }
    this.#loop.wakeAt(after(this.#loop.now(), TRY_EVERY), () => this.#remove(ifname, tries + 1));
  }

  /** What the kernel will not give up is told, and holds up nothing. */
  #isGone(ifname: string, hard: boolean): boolean {
    try {
      return this.#host.remove(ifname, hard);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      if (hard) {
        const fields = { ifname, why: cause.message, level: "error" };
        this.#parts.tell({ kind: "event", name: "wan.tunnel-not-removed", fields });
      }
      return hard;
    }
  }

  #whenGone(done: () => void): void {
    if (this.#leaving.size === 0) {
      this[Symbol.dispose]();
      done();
      return;
    }
    this.#loop.wakeAt(after(this.#loop.now(), TRY_EVERY), () => this.#whenGone(done));
  }
}

function keyOf(ifname: string, site: string): string {
  return `${ifname} ${site}`;
}

const COUNTERS_EVERY = seconds(10);
const RETRY = seconds(1);
const TRY_EVERY = ms(20);
const MOST_TRIES = 50;
