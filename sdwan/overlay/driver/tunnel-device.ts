/**
 * One WireGuard device: made or adopted, kept as the plan wants it, looked at once a second (more often while something is
 * in doubt), ended when it is not wanted any more.  What it finds wrong it puts right, and says so.
 */
import { Fault } from "../../../base/fault.ts";
import { type Result, unreachable } from "../../../base/result.ts";
import { after, ms } from "../../../base/unit.ts";
import type { WireguardState } from "../../../base/wireguard.ts";
import { packetMark } from "../../../netstack/kernel/marks.ts";
import type { DoorFailure, WireguardDoor } from "../../../netstack/kernel/wireguard/door.ts";
import { describeChange, planDevice } from "../device-plan.ts";
import { type Found, isYoung, type PeerLife, type PeerOrders, restOf } from "../peer-life.ts";
import { carriageOf, type Decided, deviceWant, mtuOf, rekeyed } from "../want.ts";
import type { DeviceParts, DeviceSettings } from "./device-parts.ts";
import { Ears } from "./ears.ts";
import { isOurs, type Sighting } from "./host.ts";
import { Lives } from "./lives.ts";
import { Making } from "./making.ts";
import { Telling } from "./telling.ts";
import type { UnderlayLink } from "./words.ts";

export class TunnelDevice {
  readonly ifname: string;
  /** As it was at the last look; undefined = not made, or not readable. */
  have: WireguardState | undefined;
  engine: WireguardDoor["engine"];
  mtu: number;
  settings: DeviceSettings;
  readonly via = new Map<string, string>();
  readonly #lives: Lives;
  readonly #making: Making;
  readonly #telling: Telling;
  readonly #ears: Ears;
  readonly #parts: DeviceParts;
  #link: UnderlayLink | undefined;
  #port: number | undefined;
  #pathMtu: number | undefined;
  #door: WireguardDoor | undefined;
  #index = 0;
  #timer: Disposable | undefined;
  #busy = false;
  #again = false;
  #ended = false;
  /** Why there is no device, or none that we may touch. */
  #obstacle: string | undefined = "not made yet";
  #pid: number | undefined;
  #silences = 0;
  /** Something was wanted differently since it was last in order: what is found then is no drift. */
  #fresh = true;
  /** Changes in a row that did not make it as wanted. */
  #rounds = 0;

  constructor(parts: DeviceParts, settings: DeviceSettings, link: UnderlayLink | undefined) {
    this.#parts = parts;
    this.ifname = settings.spec.ifname;
    this.settings = settings;
    this.#link = link;
    this.#lives = new Lives(parts.wall, () => parts.loop.now());
    this.#ears = new Ears(parts.loop, this.#lives, () => this.look());
    this.#telling = new Telling(this.ifname, parts.event);
    this.#making = new Making(parts.host, this.ifname, () => parts.loop.now());
    this.engine = parts.host.choose(settings.wireguard).engine;
    this.mtu = this.#mtuOf();
  }

  want(settings: DeviceSettings): void {
    if (settings.spec.listenPort !== this.settings.spec.listenPort) this.#port = undefined;
    // Peers learn a new key from the handshake that the next packet needs.
    if (settings.privateKey !== this.settings.privateKey) this.#lives.unstick(settings.spec, this.have);
    this.#lives.compare(this.settings.spec, settings.spec);
    this.settings = settings;
    const sites = new Set(settings.spec.peers.map(({ site }) => site));
    this.#lives.keep(sites);
    for (const site of this.via.keys()) if (!sites.has(site)) this.via.delete(site);
    this.#refresh();
  }

  underlay(link: UnderlayLink | undefined): void {
    const before = this.#link;
    this.#link = link;
    if (before?.up !== link?.up || before?.mtu !== link?.mtu || before?.why !== link?.why) this.#refresh();
  }

  carriage(site: string, via: string): void {
    if (via === "direct") this.via.delete(site);
    else this.via.set(site, via);
    this.#refresh();
  }

  endpoints(site: string, endpoints: readonly string[]): void {
    if (this.#lives.configured(site, endpoints)) this.#refresh();
  }

  found(site: string, endpoint: string, how: Found): void {
    this.#lives.discovered(site, endpoint, how);
    this.#refresh();
  }

  roamed(): void {
    this.#lives.unstick(this.settings.spec, this.have);
    this.#refresh();
  }

  port(port: number | undefined): void {
    this.#port = port;
    // Peers learn the new one from what comes from there.
    this.#lives.unstick(this.settings.spec, this.have);
    this.#refresh();
  }

  pathMtu(mtu: number | undefined): void {
    this.#pathMtu = mtu;
    this.#refresh();
  }

  life(site: string): PeerLife {
    return this.#lives.of(site);
  }

  get listenPort(): number {
    return this.have?.listenPort ?? this.#port ?? this.settings.spec.listenPort;
  }

  get index(): number {
    return this.#index;
  }
  /** Nothing is done any more; the device stays. */
  leave(): void {
    this.#ended = true;
    this.#timer?.[Symbol.dispose]();
    this.#ears[Symbol.dispose]();
    this.#door?.[Symbol.dispose]();
    this.#door = undefined;
  }

  look(): void {
    if (this.#ended) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    try {
      this.#look();
    } catch (cause) {
      // What the kernel refuses for one device must not end the others.
      if (!(cause instanceof Fault)) throw cause;
      this.#telling.warn("wan.tunnel-failed", cause.message);
      this.#obstruct(cause.message);
      this.#rest(CALM);
    }
  }

  #refresh(): void {
    this.#fresh = true;
    this.look();
  }
  #look(): void {
    const seen = this.#parts.host.find(this.ifname);
    switch (seen.kind) {
      case "none":
        return this.#make();
      case "other":
        this.#telling.warn("wan.tunnel-name-taken", seen.why);
        this.#obstruct(seen.why);
        return this.#later(CALM);
      case "mute":
        return this.#mute(seen);
      case "there":
        return this.#read(seen);
    }
  }

  #make(): void {
    if (this.#index !== 0) {
      // It was there: somebody removed it, or its process died.
      const why = this.#pid === undefined ? "its device was removed" : "its wireguard-go process is gone";
      this.#telling.event("wan.tunnel-lost", "warn", { why });
      this.#making.lost();
      this.#forget(why);
    }
    const attempt = this.#making.attempt(this.settings.wireguard);
    switch (attempt.kind) {
      case "made":
      case "coming":
        this.#fresh = true;
        this.#obstacle = "being made";
        return this.#later(attempt.kind === "made" ? 0 : SOON);
      case "waiting":
        return this.#later(attempt.wait);
      case "failed":
        return this.#failed(attempt);
      default:
        unreachable(attempt);
    }
  }

  #failed({ why, wait }: { readonly why: string; readonly wait: number }): void {
    this.#telling.warn("wan.tunnel-failed", why);
    this.#obstruct(why);
    this.#later(wait);
  }

  /** A TUN is made before its process listens; one that stays mute for long is nobody's any more. */
  #mute(seen: Sighting & { kind: "mute" }): void {
    this.#silences++;
    if (!seen.marked && !this.#making.underWay) {
      this.#telling.warn("wan.tunnel-name-taken", "a TUN device of that name is not ours");
      this.#obstruct("a TUN device of that name is not ours");
      return this.#later(CALM);
    }
    if (!this.#making.underWay) this.#obstruct("wireguard-go does not listen");
    if (this.#silences < MOST_SILENCES) return this.#later(SOON);
    this.#silences = 0;
    if (seen.marked) this.#parts.host.remove(this.ifname, true);
    this.#failed(this.#making.failed("wireguard-go does not listen"));
  }

  #read(seen: Sighting & { kind: "there" }): void {
    if (this.#parts.host.isUnsuited(seen, this.settings.wireguard)) {
      // Somebody decided for another engine: this costs what is under way, once.
      this.#parts.host.remove(this.ifname, true);
      this.#forget(`made anew without ${seen.engine}`);
      return this.#later(SOON);
    }
    if (this.#index !== seen.link.index || this.#door?.engine !== seen.engine) {
      this.#door?.[Symbol.dispose]();
      this.#door = this.#parts.host.door(this.ifname, seen.engine);
    }
    const door = this.#door;
    this.#busy = true;
    door?.read((answer) => this.#guard(() => this.#seen(seen, answer)));
  }

  #seen(seen: Sighting & { kind: "there" }, answer: Result<WireguardState, DoorFailure>): void {
    const { host } = this.#parts;
    if (!answer.ok) return this.#unread(answer.error);
    this.#silences = 0;
    const have = answer.value;
    const known = this.#making.underWay || this.#index === seen.link.index;
    if (!known && !isOurs(seen, have, this.settings.privateKey)) {
      this.#telling.warn("wan.tunnel-name-taken", "a WireGuard device of that name is not ours");
      this.#obstruct("a WireGuard device of that name is not ours");
      return this.#rest(CALM);
    }
    if (this.#index !== seen.link.index) this.#arrived(seen, have);
    for (const site of rekeyed(this.settings.spec, this.have, have)) {
      this.#telling.event("wan.tunnel-rekeyed", "info", { site });
      this.#fresh = true;
    }
    this.have = have;
    this.#obstacle = undefined;
    const { spec, site: own } = this.settings;
    const orders = this.#lives.look(spec, have, own, this.#obstacleOf());
    for (const [site, { resolve }] of orders) if (resolve) this.#parts.resolve(site);
    const want = deviceWant(spec, this.#decided(orders), have);
    this.mtu = this.#mtuOf();
    const dressed = host.dress(seen.link, { mtu: this.mtu, addresses: this.settings.overlay });
    const change = planDevice(want, have);
    const asked = [...orders.values()].some(({ moveTo, renew }) => moveTo !== undefined || renew);
    if (!this.#fresh && !asked && (change !== undefined || dressed.some((what) => !what.startsWith("mtu"))))
      this.#telling.repaired(describeChange(change, dressed));
    if (change === undefined) return this.#settled(seen);
    this.#door?.change(change, (done) =>
      this.#guard(() => {
        if (!done.ok) {
          this.#telling.warn("wan.tunnel-refused", done.error.why);
          this.#lives.undone(orders);
          // A port that is taken: wireguard-go has none at all then.
          if (have.listenPort !== this.#port) this.#port = undefined;
          return this.#rest(CALM);
        }
        if (!seen.link.up) host.up(seen.link);
        this.#rounds++;
        this.#rest(this.#rounds > MOST_ROUNDS ? CALM : SOON);
      }),
    );
  }

  #settled(seen: Sighting & { kind: "there" }): void {
    if (!seen.link.up) {
      this.#parts.host.up(seen.link);
      if (!this.#fresh) this.#telling.repaired("up");
    }
    if (this.#pid !== undefined) this.#parts.host.widen(this.#pid);
    this.#fresh = false;
    this.#rounds = 0;
    this.#telling.allIsWell();
    const now = this.#parts.wall();
    const { spec } = this.settings;
    const rests = spec.peers.map(({ site }) => restOf(this.life(site), now));
    this.#ears.listen(this.settings, this.have, this.listenPort);
    this.#rest(this.#ears.isAttentive ? ATTENTIVE : Math.min(CALM, ...rests));
  }

  /** The first look at a device that we made, or that was there when we came. */
  #arrived(seen: Sighting & { kind: "there" }, have: WireguardState): void {
    const { host } = this.#parts;
    const { spec } = this.settings;
    const adopted = !this.#making.underWay && have.privateKey !== undefined;
    this.#index = seen.link.index;
    this.engine = seen.engine;
    this.#making.arrived();
    this.#pid = seen.engine === "wireguard-go" ? host.processOf(this.ifname) : undefined;
    if (adopted) {
      for (const [site, via] of carriageOf(spec, have)) this.via.set(site, via);
      // Where a NAT was outwitted by a port, moving back would close the way.
      const alive = have.peers.some(({ lastHandshake }) => isYoung(lastHandshake, this.#parts.wall()));
      if (alive && have.listenPort !== spec.listenPort && have.listenPort !== 0) this.#port ??= have.listenPort;
    }
    const why = adopted ? "it was there" : host.choose(this.settings.wireguard).why;
    const name = adopted ? "wan.tunnel-adopted" : "wan.tunnel-made";
    this.#telling.event(name, "info", { link: spec.link, engine: seen.engine, why, pid: this.#pid });
  }

  #decided(orders: ReadonlyMap<string, PeerOrders>): Decided {
    const { spec, privateKey } = this.settings;
    return {
      privateKey,
      mark: spec.mark === 0 ? 0 : packetMark(spec.mark),
      listenPort: this.#port ?? spec.listenPort,
      via: this.via,
      lives: this.#lives.all,
      orders,
    };
  }

  #unread(failure: DoorFailure): void {
    this.#silences++;
    this.#obstruct(`${this.engine}: ${failure.why}`);
    if (failure.kind === "silent" && this.#silences >= MOST_HANGS) {
      this.#telling.event("wan.tunnel-hangs", "error", { why: failure.why });
      this.#silences = 0;
      this.#parts.host.kill(this.ifname);
    } else if (failure.kind !== "gone") this.#telling.warn("wan.tunnel-unreadable", failure.why);
    this.#rest(failure.kind === "gone" ? SOON : CALM);
  }

  /** Nothing can work: every peer is told so. */
  #obstruct(why: string): void {
    this.#obstacle = why;
    this.#lives.obstruct(this.settings.spec, why);
    this.#parts.changed();
  }

  #obstacleOf(): string | undefined {
    if (this.#obstacle !== undefined) return this.#obstacle;
    const link = this.#link;
    return link === undefined || link.up ? undefined : `link ${link.name}: ${link.why}`;
  }

  #forget(why: string): void {
    this.#door?.[Symbol.dispose]();
    this.#door = undefined;
    this.#index = 0;
    this.#pid = undefined;
    this.have = undefined;
    this.#fresh = true;
    this.#obstruct(why);
  }

  #mtuOf(): number {
    return mtuOf(this.settings.spec, this.have, this.#lives.all, this.#link?.mtu, this.#pathMtu);
  }

  /** Ends a turn: a look that was asked for meanwhile follows at once. */
  #rest(wait: number): void {
    this.#busy = false;
    this.#parts.changed();
    const again = this.#again;
    this.#again = false;
    this.#later(again ? 0 : wait);
  }

  #later(wait: number): void {
    if (this.#ended) return;
    const { loop } = this.#parts;
    this.#timer?.[Symbol.dispose]();
    this.#timer = loop.wakeAt(after(loop.now(), ms(wait)), () => this.look());
  }

  #guard(run: () => void): void {
    if (this.#ended) return;
    try {
      run();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#telling.warn("wan.tunnel-failed", cause.message);
      this.#rest(CALM);
    }
  }
}

const CALM = 1_000;
const SOON = 10;
const ATTENTIVE = 1;
const MOST_SILENCES = 500;
const MOST_HANGS = 10;
const MOST_ROUNDS = 5;
