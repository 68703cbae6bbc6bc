/**
 * The hands of one segment: sockets, the one alarm, and the kernel on behalf of segment.ts.  Every action of a step is
 * performed before the next event is looked at, and what the kernel answers is told at once.
 */
import { formatIp, type Ip, isIpv4, type Mac } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { Tracer } from "../../../base/trace.ts";
import { after, type Instant, instant, type Ms, seconds } from "../../../base/unit.ts";
import { ENETDOWN, errnoName } from "../../kernel/errno.ts";
import type { Loop } from "../../kernel/loop.ts";
import { open, type Sign, seal } from "../auth.ts";
import type { Event, Holding, SegmentConfig, VipConfig, VipId } from "../event.ts";
import { encode } from "../packet.ts";
import type { VipNews, VipReport } from "../plan.ts";
import { Segment } from "../segment.ts";
import { type Batched, batched, farewell } from "./batched.ts";
import { HeartbeatSocket } from "./heartbeat-socket.ts";
import { Hindrance } from "./hindrance.ts";
import type { Holdings, Refusal } from "./holdings.ts";
import { NeighbourSocket } from "./neighbour-socket.ts";

export interface Transport {
  readonly port: number;
  readonly peers: readonly Ip[];
}
export interface SegmentParts {
  readonly loop: Loop;
  readonly sign: Sign;
  readonly holdings: Holdings;
  readonly tell: (message: VipNews) => void;
  /** Of ARP and neighbour discovery. */
  readonly tracer: Tracer;
  /** Every released address has a successor, or has had the time to find one. */
  readonly withdrawn: () => void;
}
/** How the interface looks to us; undefined where there is none. */
export interface LinkView {
  readonly ifindex: number;
  readonly up: boolean;
  readonly mac: Mac;
  readonly addresses: readonly Ip[];
}

export class SegmentDriver implements Disposable {
  readonly #parts: SegmentParts;
  readonly #segment: Segment;
  readonly #pending: Event[] = [];
  /** What went wrong, how often, and when that was told last. */
  readonly #counts = new Map<string, { count: number; toldAt: Instant }>();
  readonly #hindrance = new Hindrance();
  /** As control wants it. */
  #config: SegmentConfig;
  #isControlSilent = false;
  #hindered: Disposable | undefined;
  #transport: Transport;
  #view: LinkView | undefined;
  #heartbeats: HeartbeatSocket | undefined;
  #neighbours: NeighbourSocket | undefined;
  #alarm: Disposable | undefined;
  /** What control is to hear; told when everything with a deadline is done. */
  readonly #news: VipNews[] = [];
  #busy = false;
  #closed = false;

  constructor(parts: SegmentParts, config: SegmentConfig, transport: Transport) {
    this.#parts = parts;
    this.#transport = transport;
    this.#config = config;
    this.#segment = new Segment(config, parts.loop.now());
    this.feed({ kind: "wake" });
  }

  configure(config: SegmentConfig, transport: Transport): void {
    const same = JSON.stringify(transport) === JSON.stringify(this.#transport);
    this.#transport = transport;
    this.#neighbours?.join(config.vips.flatMap((vip) => vip.addresses));
    if (!same && this.#view !== undefined) this.#openHeartbeats(this.#view);
    this.#config = config;
    this.#configured();
  }

  /** To be said again while it lasts: who else there is changes. */
  control(silent: boolean): void {
    this.#isControlSilent = silent;
    this.#configured();
  }

  /** Addresses that were there and that the kernel refuses to put back. */
  refused(refusals: readonly Refusal[]): void {
    for (const { vip, addresses } of this.#segment.config.vips.map(holdingOf)) {
      const mine = refusals.filter(({ ip }) => addresses.includes(ip));
      if (mine.length > 0 && this.#segment.owns(vip)) this.#suffices({ vip, addresses }, mine, "vip.restore-failed");
    }
  }

  /** Sockets follow the interface: an index is never reused for long, and a new one is another interface. */
  link(view: LinkView | undefined): void {
    const before = this.#view;
    if (JSON.stringify(view) === JSON.stringify(before)) return;
    // What was held on the former interface is not held on this one.
    if (view !== undefined && before !== undefined && view.ifindex !== before.ifindex) this.link(undefined);
    this.#view = view;
    if (view?.ifindex !== before?.ifindex || view?.mac !== before?.mac) {
      this.#closeSockets();
      if (view !== undefined) {
        this.#openHeartbeats(view);
        this.#neighbours = new NeighbourSocket(
          this.#parts.loop,
          view.ifindex,
          view.mac,
          (event) => {
            if (this.#segment.concerns(event.ip)) this.feed(event);
          },
          (what, errno) => this.#failed(what, errno),
          this.#parts.tracer,
        );
        this.#neighbours.join(this.#segment.config.vips.flatMap((vip) => vip.addresses));
      }
    } else if (view !== undefined && String(view.addresses) !== String(before?.addresses)) {
      this.#openHeartbeats(view);
      if (before?.addresses.some(isIpv4) === true && !view.addresses.some(isIpv4)) {
        const fields = { ifname: this.#segment.config.ifname, left: view.addresses.map(formatIp), level: "warn" };
        this.#parts.tell({ kind: "event", name: "vip.own-address-lost", fields });
      }
    }
    const gone = { up: false, mac: 0 as Mac, addresses: [] };
    const { up, mac, addresses } = view ?? gone;
    this.feed({ kind: "link", up, mac, addresses });
  }

  feed(event: Event): void {
    this.#pending.push(event);
    if (this.#busy || this.#closed) return;
    this.#busy = true;
    try {
      for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) this.#step(next);
    } finally {
      this.#busy = false;
    }
    this.#publish();
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = this.#parts.loop.wakeAt(this.#segment.nextWake(), () => this.feed({ kind: "wake" }));
  }

  #publish(): void {
    for (const message of this.#news.splice(0)) this.#parts.tell(message);
  }

  /** Silence, and nothing of ours left in the kernel. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#alarm?.[Symbol.dispose]();
    this.#hindered?.[Symbol.dispose]();
    this.#closeSockets();
    for (const vip of this.#segment.config.vips) this.#parts.holdings.drop(vip.addresses);
  }

  #step(event: Event): void {
    const actions = this.#segment.step(event, this.#parts.loop.now());
    for (const action of batched(actions)) this.#perform(action);
  }

  #perform(action: Batched): void {
    const { holdings } = this.#parts;
    const tell = (message: VipNews): void => void this.#news.push(message);
    switch (action.kind) {
      case "renew": {
        const lost = holdings.extend(action.holdings, action.span);
        return this.#step({ kind: "renewed", lost });
      }
      case "claim":
        return this.#step({ kind: "claimed", begun: this.#claim(action.holdings, action.span, action.before) });
      case "drop":
        return holdings.drop(action.addresses);
      case "drain":
        return holdings.drain(action.addresses, action.span);
      case "handover":
        return holdings.handover(action.moves, action.span);
      case "heartbeat": {
        const packet = this.#late(action.before) ? farewell(action.packet) : action.packet;
        if (packet !== undefined) this.#heartbeats?.send(seal(encode(packet), this.#parts.sign));
        return;
      }
      case "probe":
        if (!this.#late(action.before)) this.#neighbours?.probe(action.ip);
        return;
      case "announce":
        if (!this.#late(action.before)) this.#neighbours?.announce(action.ip);
        return;
      case "witness":
        if (!this.#late(action.before)) this.#neighbours?.ask(action.ip, this.#view?.addresses ?? []);
        return;
      case "report":
        this.#traceState(action.report);
        return tell({ kind: "vip", vip: action.report });
      case "peer":
        return tell({ kind: "peer", peer: action.report });
      case "event":
        return tell({
          kind: "event",
          name: action.name,
          fields: { ...action.fields, ifname: this.#segment.config.ifname },
        });
      case "refused":
        return this.#refused(action.why, action.node);
      case "withdrawn":
        return this.#parts.withdrawn();
      default:
        unreachable(action);
    }
  }

  #traceState({ name, state, term, owner, why }: VipReport): void {
    const { tracer } = this.#parts;
    if (!tracer.active) return;
    const text = `${name} is ${state}, owner ${owner ?? "unknown"}, term ${term}: ${why}`;
    const vip = this.#segment.config.vips.find((each) => each.name === name);
    for (const address of vip?.addresses ?? []) tracer.line(formatIp(address), "state", text);
  }

  /** What is owned now; the addresses of the others are gone again. */
  #claim(wanted: readonly Holding[], span: Ms, before: Instant): readonly VipId[] {
    const { holdings, loop } = this.#parts;
    const view = this.#view;
    if (view === undefined) return [];
    return holdings.claim(
      wanted,
      view.ifindex,
      span,
      () => loop.now() <= before,
      (holding, refused) => this.#suffices(holding, refused, "vip.claim-failed"),
    );
  }

  /** Whether to hold what is left of a virtual IP; if not, others shall have it. */
  #suffices(holding: Holding, refused: readonly Refusal[], name: string): boolean {
    const now = this.#parts.loop.now();
    const { vip, addresses } = holding;
    const kept = refused.length < addresses.length && this.#hindrance.isAlone(vip, now);
    for (const { ip, cause } of refused) {
      const reason = `${name} ${formatIp(ip)} ${kept}`;
      const about = { vip: formatIp(vip), address: formatIp(ip), kept };
      this.#count(name, reason, { ...about, ...cause.fields, code: cause.code, level: "error" });
    }
    if (kept) return true;
    this.#hindrance.add(vip, now);
    this.#configured();
    return false;
  }

  #configured(): void {
    const { loop } = this.#parts;
    const now = loop.now();
    this.#hindered?.[Symbol.dispose]();
    const next = this.#hindrance.nextAt(now);
    this.#hindered = next === undefined ? undefined : loop.wakeAt(next, () => this.#configured());
    this.feed({ kind: "configured", config: this.#hindrance.applied(this.#config, this.#isControlSilent, now) });
  }

  #late(before: Instant): boolean {
    return this.#parts.loop.now() > before;
  }

  #heard(datagram: Uint8Array, from: Ip, ttl: number | undefined): void {
    const packet = open(datagram, ttl, this.#parts.sign);
    if (!packet.ok) return this.#refused(packet.error.kind, formatIp(from));
    if (!packet.value.addresses.includes(from)) return this.#refused("source", packet.value.node);
    if (packet.value.node !== this.#segment.config.node) {
      this.#hindrance.heard(packet.value, this.#parts.loop.now());
    }
    this.feed({ kind: "heartbeat", packet: packet.value });
  }

  #refused(why: string, from: string): void {
    if (why !== "own") this.#count("vip.heartbeat-refused", why, { why, from });
  }

  /** A link that is down refuses everything, which its state says already. */
  #failed(what: string, errno: number): void {
    if (errno !== ENETDOWN) this.#count("vip.socket-failed", `${what} ${errno}`, { what, errno: errnoName(errno) });
  }

  /** Counted always, told once a minute for each reason. */
  #count(name: string, reason: string, fields: Readonly<Record<string, unknown>>): void {
    const now = this.#parts.loop.now();
    const key = `${name} ${reason}`;
    const known = this.#counts.get(key) ?? { count: 0, toldAt: instant(Number.NEGATIVE_INFINITY) };
    known.count++;
    this.#counts.set(key, known);
    if (now < after(known.toldAt, seconds(60))) return;
    known.toldAt = now;
    const { ifname } = this.#segment.config;
    this.#news.push({ kind: "event", name, fields: { level: "warn", ...fields, count: known.count, ifname } });
    if (!this.#busy) this.#publish();
  }

  #openHeartbeats(view: LinkView): void {
    this.#heartbeats?.[Symbol.dispose]();
    const { ifindex, addresses: own } = view;
    const options = { ifname: this.#segment.config.ifname, ifindex, own, ...this.#transport };
    this.#heartbeats = new HeartbeatSocket(
      this.#parts.loop,
      options,
      (datagram, from, ttl) => this.#heard(datagram, from, ttl),
      (what, errno) => this.#failed(what, errno),
    );
  }

  #closeSockets(): void {
    this.#heartbeats?.[Symbol.dispose]();
    this.#neighbours?.[Symbol.dispose]();
    this.#heartbeats = undefined;
    this.#neighbours = undefined;
  }
}

function holdingOf({ addresses }: VipConfig): Holding {
  const [vip] = addresses;
  if (vip === undefined) throw new TypeError("a virtual IP without an address");
  return { vip, addresses };
}

/** Own addresses as peers should see them: the one that we send from first, virtual ones never. */
export function ownAddresses(all: readonly Ip[], virtual: (ip: Ip) => boolean): readonly Ip[] {
  const own = all.filter((ip) => !virtual(ip));
  const v4 = own.filter(isIpv4);
  const v6 = own.filter((ip) => !isIpv4(ip));
  const local = v6.filter((ip) => formatIp(ip).startsWith("fe80"));
  const wide = v6.filter((ip) => !local.includes(ip));
  return [...v4.slice(0, 1), ...local.slice(0, 1), ...wide.slice(0, 1)];
}
