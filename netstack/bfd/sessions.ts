/**
 * All sessions of a host: which one a packet belongs to, who of the strangers is let in, and who is to be woken when.
 * Standards: RFC 5880 §6.3, §6.8.6 (first half); RFC 5881 §3–§5; RFC 5883 §4, §5; RFC 9468.
 */
import { contains, formatIp, type Ip } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import { sameAuth } from "./auth.ts";
import { decodeEcho } from "./echo.ts";
import type { Action, SessionConfig, Timing, UnsolicitedConfig } from "./event.ts";
import { type ControlPacket, decode, yourDiscriminatorOf } from "./packet.ts";
import { Schedule } from "./schedule.ts";
import { Session, type SessionParts } from "./session.ts";

export interface SessionsParts extends SessionParts {
  /** A number that nobody can guess, 32 bits. */
  readonly discriminator: () => number;
}

/** What the kernel said about a datagram. */
export interface Arrival {
  readonly hops: "single" | "multi";
  readonly from: Ip;
  /** The address that it was sent to. */
  readonly to: Ip | undefined;
  readonly ifname: string | undefined;
  readonly ttl: number | undefined;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #byDiscriminator = new Map<number, Session>();
  readonly #byPeer = new Map<Ip, Session[]>();
  readonly #schedule = new Schedule<Session>();
  #unsolicited: readonly UnsolicitedConfig[] = [];
  /** Refusals of packets that belong to no session: name → how often. */
  readonly strays: Record<string, number> = {};

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  all(): IterableIterator<Session> {
    return this.#byDiscriminator.values();
  }
  /** The alarm to set; undefined = nothing will ever be due. */
  nextWake(): Instant | undefined {
    const first = this.#schedule.first();
    return first === undefined || first.dueAt === Number.POSITIVE_INFINITY ? undefined : first.dueAt;
  }

  /** Sessions on the same path live on, whatever they are called now; what changed in them is polled for. */
  configure(
    configs: readonly SessionConfig[],
    unsolicited: readonly UnsolicitedConfig[],
    now: Instant,
  ): readonly Action[] {
    const out: Action[] = [];
    this.#unsolicited = unsolicited;
    const kept = new Set<Session>();
    for (const config of configs) {
      const session = this.#onPath(config);
      if (session === undefined) kept.add(this.#open(config, now));
      else {
        kept.add(session);
        this.#adopt(session, config, now, out);
      }
    }
    for (const session of this.all()) {
      if (kept.has(session)) continue;
      const welcome = this.#welcomeOf(session);
      if (welcome !== undefined) this.#adopt(session, { ...session.config, timing: welcome.timing }, now, out);
      else this.#dismiss(session, now, out);
    }
    return out;
  }

  /** `bytes` may be anything. */
  receive(bytes: Uint8Array, arrival: Arrival, now: Instant): readonly Action[] {
    const your = yourDiscriminatorOf(bytes);
    const known = your === 0 ? this.#from(arrival) : this.#byDiscriminator.get(your);
    const packet = decode(bytes);
    if (!packet.ok) return this.#refuse(packet.error.kind, known, arrival);
    if (known === undefined && your !== 0) return this.#refuse("unknown-discriminator", undefined, arrival);
    const wrong = known === undefined ? undefined : misplaced(known, arrival);
    if (wrong !== undefined) return this.#refuse(wrong, known, arrival);
    const session = known ?? this.#stranger(packet.value, arrival, now);
    if (typeof session === "string") return this.#refuse(session, undefined, arrival);
    const proven = session.auth.verify(packet.value, bytes.subarray(0, bytes[3]), now);
    if (!proven.ok) return this.#refuse(proven.error.kind, session, arrival);
    session.local = arrival.to;
    session.ifname = arrival.ifname;
    const out: Action[] = [];
    session.receive(packet.value, now, out);
    this.#schedule.put(session);
    return out;
  }

  /** A packet of the Echo function came back; undefined = none of ours, perhaps a peer's. */
  echoed(bytes: Uint8Array, from: Ip, now: Instant): readonly Action[] | undefined {
    const packet = decodeEcho(bytes, this.#parts.proof);
    if (!packet.ok && packet.error.kind === "echo-foreign") return undefined;
    const arrival: Arrival = { hops: "single", from, to: undefined, ifname: undefined, ttl: undefined };
    if (!packet.ok) return this.#refuse(packet.error.kind, undefined, arrival);
    const session = this.#byDiscriminator.get(packet.value.discriminator);
    if (session === undefined) return this.#refuse("echo-unknown", undefined, arrival);
    const out: Action[] = [];
    if (!session.echoed(packet.value.sequence, now, out)) return this.#refuse("echo-replayed", session, arrival);
    this.#schedule.put(session);
    return out;
  }

  /** Whose echoes are to be returned on this interface (RFC 5880 §6.8.8): its session is up and we said that we do. */
  echoOwner(peer: Ip, ifname: string): Session | undefined {
    return this.#byPeer.get(peer)?.find((session) => {
      const { config, state } = session;
      if (config.hops !== "single" || (config.ifname ?? session.ifname) !== ifname) return false;
      return state === "up" && config.timing.requiredMinEchoRx > 0;
    });
  }

  /** What is due, and what may share this moment; see Session.wake. */
  wake(now: Instant, conclusive: boolean): readonly Action[] {
    const out: Action[] = [];
    // Without a conclusion a session stays due, and must not be looked at for ever.
    const late: Session[] = [];
    for (let next = this.#schedule.first(); next !== undefined && next.earlyAt <= now; next = this.#schedule.first()) {
      if (next.leavingAt !== undefined && now >= next.leavingAt) {
        this.#close(next, out);
        continue;
      }
      next.wake(now, conclusive, out);
      if (next.earlyAt <= now) {
        this.#schedule.remove(next);
        late.push(next);
      } else this.#schedule.put(next);
    }
    for (const session of late) this.#schedule.put(session);
    return out;
  }

  /** Somebody is awake: what may go now goes along. */
  hasWork(now: Instant): boolean {
    const first = this.#schedule.first();
    return first !== undefined && first.earlyAt <= now;
  }

  /** The process ends: every peer is told that this is on purpose. */
  stop(now: Instant): readonly Action[] {
    const out: Action[] = [];
    for (const session of this.all()) session.leave(now, out);
    return out;
  }

  #open(config: SessionConfig, now: Instant): Session {
    let discriminator = 0;
    while (discriminator === 0 || this.#byDiscriminator.has(discriminator)) discriminator = this.#parts.discriminator();
    const session = new Session(config, discriminator, this.#parts, now);
    this.#byDiscriminator.set(discriminator, session);
    const there = this.#byPeer.get(config.peer);
    if (there === undefined) this.#byPeer.set(config.peer, [session]);
    else there.push(session);
    this.#schedule.put(session);
    return session;
  }

  #adopt(session: Session, config: SessionConfig, now: Instant, out: Action[]): void {
    const former = session.config.ids.filter((id) => !config.ids.includes(id));
    if (former.length > 0) out.push({ kind: "gone", session, ids: former, last: false });
    if (session.leavingAt === undefined && sameConfig(session.config, config)) return;
    session.configure(config, now, out);
    this.#schedule.put(session);
  }

  #dismiss(session: Session, now: Instant, out: Action[]): void {
    session.leave(now, out);
    this.#schedule.put(session);
  }

  #close(session: Session, out: Action[]): void {
    this.#schedule.remove(session);
    this.#byDiscriminator.delete(session.localDiscriminator);
    const { peer, ids } = session.config;
    const rest = (this.#byPeer.get(peer) ?? []).filter((each) => each !== session);
    if (rest.length === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, rest);
    out.push({ kind: "gone", session, ids, last: true });
  }

  #onPath(config: SessionConfig): Session | undefined {
    const { peer, hops, ifname, local } = config;
    const alike = (this.#byPeer.get(peer) ?? []).filter(
      ({ config: each }) => each.hops === hops && each.ifname === ifname,
    );
    return alike.find((each) => each.config.local === local) ?? alike.find((each) => each.config.unsolicited);
  }

  /** §6.3: without a discriminator the peer's address and where it came in decide. */
  #from(arrival: Arrival): Session | undefined {
    const candidates = this.#byPeer.get(arrival.from);
    if (candidates === undefined) return undefined;
    const fits = candidates.filter(
      ({ config }) =>
        config.hops === arrival.hops &&
        (config.ifname === undefined || config.ifname === arrival.ifname) &&
        (config.local === undefined || arrival.to === undefined || config.local === arrival.to),
    );
    const staying = fits.filter(({ leavingAt }) => leavingAt === undefined);
    return staying.find(({ config }) => config.ifname !== undefined) ?? staying[0] ?? fits[0];
  }

  /** RFC 9468 §2: a session for whoever may open one here; else the name of the refusal. */
  #stranger(packet: ControlPacket, arrival: Arrival, now: Instant): Session | string {
    if (arrival.hops !== "single") return "no-session";
    const welcome = this.#unsolicited.find(({ ifname }) => ifname === arrival.ifname);
    if (welcome === undefined || arrival.ifname === undefined) return "no-session";
    if (arrival.ttl !== 255) return "ttl";
    if (!welcome.from.some((network) => contains(network, arrival.from))) return "unsolicited-network";
    if (packet.state !== "down") return "unsolicited-state";
    if (packet.auth !== undefined) return "auth-unexpected";
    const others = [...this.all()].filter(({ config }) => config.unsolicited && config.ifname === arrival.ifname);
    if (others.length >= welcome.most) return "unsolicited-limit";
    return this.#open(strangerOf(welcome, arrival), now);
  }

  /** A stranger stays while its interface is open to strangers. */
  #welcomeOf({ config }: Session): UnsolicitedConfig | undefined {
    return config.unsolicited ? this.#unsolicited.find(({ ifname }) => ifname === config.ifname) : undefined;
  }

  #refuse(name: string, session: Session | undefined, arrival: Arrival): readonly Action[] {
    if (session === undefined) this.strays[name] = (this.strays[name] ?? 0) + 1;
    else session.refuse(name, formatIp(arrival.from));
    return NOTHING;
  }
}

/** Why a packet that names this session is not taken for it; undefined = it is. */
function misplaced({ config }: Session, arrival: Arrival): string | undefined {
  if (config.hops !== arrival.hops) return "wrong-port";
  if (config.ifname !== undefined && config.ifname !== arrival.ifname) return "wrong-interface";
  // RFC 5881 §5: exactly 255, whether or not packets are authenticated; RFC 5883 §5 leaves the bound to the operator.
  const { ttl } = arrival;
  if (ttl === undefined || ttl < (config.hops === "single" ? 255 : config.minTtl)) return "ttl";
  return undefined;
}

function strangerOf(welcome: UnsolicitedConfig, arrival: Arrival): SessionConfig {
  return {
    ids: [`unsolicited/${welcome.ifname}/${formatIp(arrival.from)}`],
    peer: arrival.from,
    local: arrival.to,
    ifname: welcome.ifname,
    hops: "single",
    minTtl: 255,
    role: "passive",
    timing: welcome.timing,
    auth: undefined,
    adminDown: false,
    unsolicited: true,
  };
}

function sameConfig(a: SessionConfig, b: SessionConfig): boolean {
  return (
    a.ids.length === b.ids.length &&
    a.ids.every((id, index) => id === b.ids[index]) &&
    a.local === b.local &&
    a.minTtl === b.minTtl &&
    a.role === b.role &&
    a.adminDown === b.adminDown &&
    a.unsolicited === b.unsolicited &&
    sameAuth(a.auth, b.auth) &&
    sameTiming(a.timing, b.timing)
  );
}

function sameTiming(a: Timing, b: Timing): boolean {
  return (
    a.desiredMinTx === b.desiredMinTx &&
    a.requiredMinRx === b.requiredMinRx &&
    a.multiplier === b.multiplier &&
    a.echoTx === b.echoTx &&
    a.requiredMinEchoRx === b.requiredMinEchoRx &&
    a.demand === b.demand
  );
}

const NOTHING: readonly Action[] = [];
