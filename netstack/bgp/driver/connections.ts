/**
 * All TCP connections of the speaker: calls, callers, and what they say.  Strangers are refused before anything of
 * theirs is read; each refusal has a name and a counter.
 */
import { formatIp, hostPrefix, ipOf, isIpv4, isLinkLocal } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, ms } from "../../../base/unit.ts";
import { errnoText } from "../../kernel/errno.ts";
import type { Acceptor, Endpoint, Loop, Stream, StreamHandler } from "../../kernel/loop.ts";
import { detach, openTcp } from "../../kernel/sockets.ts";
import { setHops, setUserTimeout } from "../../kernel/tcp-options.ts";
import type { BgpSpeaker, Call, Connection, Event, Expected } from "../event.ts";
import type { BgpPlan, BgpSession } from "../plan.ts";
import { Link, type Owner } from "./connection.ts";
import { type DropCounts, dropCounts } from "./drops.ts";
import type { Interfaces } from "./interfaces.ts";
import { connectPatience, hopsOf, keyOf, NETWORK_CONTROL, sendPatience } from "./session-socket.ts";
import type { Shares } from "./shares.ts";

export interface ConnectionParts {
  readonly loop: Loop;
  readonly shares: Shares;
  readonly speaker: BgpSpeaker;
  readonly interfaces: Interfaces;
  readonly plan: () => BgpPlan | undefined;
  readonly feed: (event: Event) => void;
  /** Whether the listeners make this caller sign. */
  readonly guarded: (remote: Endpoint, expected: Expected) => boolean;
  readonly warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class Connections implements Acceptor, Owner, Disposable {
  readonly loop: Loop;
  readonly shares: Shares;
  readonly #parts: ConnectionParts;
  readonly #links = new Map<Connection, Link>();
  readonly #calls = new Map<Link, Called>();
  /** Those that we have ended and whose peer has not heard it yet, too. */
  readonly #alive = new Map<Link, string>();
  #sampler: Disposable | undefined;
  #ended: (() => void) | undefined;
  /** Callers refused: why → how often. */
  readonly #counts = new Map<string, number>();
  #refusals: Disposable | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.loop = parts.loop;
    this.shares = parts.shares;
  }

  connect(connection: Connection, call: Call): void {
    const link = new Link(connection, formatIp(call.ip), this);
    this.#links.set(connection, link);
    const { auth, ttlSecurity } = call.session;
    const before = auth === undefined && ttlSecurity === undefined ? undefined : dropCounts();
    this.#calls.set(link, { call, before });
    try {
      const socket = this.#socket(call);
      const scope = isLinkLocal(call.ip) ? { scope: this.#scopeOf(call) } : {};
      link.stream = this.loop.connect({ ip: call.ip, port: call.port, ...scope }, link, { socket });
      this.#alive.set(link, link.key);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      link.failed(reasonOf(cause));
    }
  }

  send(connection: Connection, bytes: Uint8Array): void {
    this.#links.get(connection)?.send(bytes);
    this.#sample();
  }
  updates(connection: Connection): void {
    this.#links.get(connection)?.wanted();
  }
  close(connection: Connection, reset: boolean): void {
    const link = this.#links.get(connection);
    if (link === undefined) return;
    this.#links.delete(connection);
    this.#calls.delete(link);
    link.shut(reset);
  }

  /** Calls `done` when no descriptor is open any more, or `within` has passed. */
  whenGone(within: number, done: () => void): void {
    const finish = (): void => {
      if (this.#ended === undefined) return;
      this.#ended = undefined;
      timer[Symbol.dispose]();
      done();
    };
    this.#ended = finish;
    const timer = this.loop.wakeAt(after(this.loop.now(), ms(this.#alive.size === 0 ? 0 : within)), finish);
  }

  accepted(stream: Stream): StreamHandler | undefined {
    const { remote } = stream;
    if (remote === undefined) return undefined; // it has gone already
    const refusal = this.#admit(stream, remote);
    if (typeof refusal === "string") {
      this.#refuse(refusal, remote);
      return undefined;
    }
    const link = new Link(this.#parts.speaker.allot(), formatIp(remote.ip), this);
    this.#links.set(link.connection, link);
    this.#alive.set(link, link.key);
    link.accepted(stream);
    return link;
  }
  refused(errno: number): void {
    this.#parts.warn("bgp.accept-failed", { why: errnoText(errno) });
  }

  begun(link: Link): boolean {
    const { stream, connection } = link;
    const { local, remote } = stream ?? {};
    if (local === undefined || remote === undefined) {
      this.lost(link, "the connection was reset");
      return false;
    }
    const ends = this.#parts.interfaces.ends(local.ip, remote.ip, remote.scope ?? local.scope);
    const called = this.#calls.get(link);
    // It answered the call; whether it hears what we say shows soon, and until then a failure has the call's reasons.
    if (called !== undefined && stream !== undefined) {
      setUserTimeout(stream.fd, OPEN_PATIENCE);
      this.#doubt(link, called);
    }
    this.#parts.feed({ kind: called === undefined ? "incoming" : "opened", connection, ends });
    return true;
  }
  received(link: Link, bytes: Uint8Array): void {
    const called = this.#calls.get(link);
    if (called !== undefined) {
      this.#calls.delete(link);
      if (link.stream !== undefined && !link.isGone) setUserTimeout(link.stream.fd, sendPatience(called.call.session));
    }
    this.#parts.feed({ kind: "received", connection: link.connection, bytes });
  }
  lost(link: Link, why: string): void {
    const called = this.#calls.get(link);
    this.#calls.delete(link);
    this.#links.delete(link.connection);
    link.shut(false);
    const hint = called?.before === undefined ? "" : hintOf(called.before, called.call.session);
    this.#parts.feed({ kind: "closed", connection: link.connection, why: `${why}${hint}` });
  }
  pull(link: Link, room: number): readonly Uint8Array[] {
    const messages = this.#parts.speaker.nextUpdates(link.connection, room, this.loop.now());
    this.#sample();
    return messages;
  }
  queued(link: Link, octets: number): void {
    this.#parts.feed({ kind: "queued", connection: link.connection, octets });
  }
  gone(link: Link): void {
    this.#alive.delete(link);
    if (this.#alive.size === 0) this.#ended?.();
  }

  [Symbol.dispose](): void {
    this.#sampler?.[Symbol.dispose]();
    this.#refusals?.[Symbol.dispose]();
    this.#ended = undefined;
    for (const link of this.#links.values()) link.shut(true);
    this.#links.clear();
    this.#calls.clear();
  }

  /** Where the kernel drops what the peer says (key, distance), and only then, silence is no reason to wait for minutes. */
  #doubt(link: Link, called: Called): void {
    const { before, call } = called;
    if (before === undefined) return;
    this.loop.wakeAt(after(this.loop.now(), ms(OPEN_PATIENCE)), () => {
      if (this.#calls.get(link) !== called) return;
      const now = dropCounts();
      const dropped = now.far + now.wrong + now.missing > before.far + before.wrong + before.missing;
      if (dropped) this.lost(link, `nothing heard of ${call.peer} in ${OPEN_PATIENCE / 1000} s`);
    });
  }

  #socket(call: Call): number {
    const plan = this.#plan();
    const { session, ip, ifname } = call;
    const key = keyOf(session.auth, hostPrefix(ip));
    const source = session.source === undefined ? undefined : ipOf(session.source);
    const scope = source !== undefined && isLinkLocal(source) ? { scope: this.#scopeOf(call) } : {};
    const socket = openTcp({
      family: isIpv4(ip) ? 4 : 6,
      trafficClass: NETWORK_CONTROL,
      hops: hopsOf(session, plan),
      ...(key === undefined ? {} : { keys: [key] }),
      ...(ifname === undefined ? {} : { device: ifname }),
      ...(source === undefined ? {} : { bind: { ip: source, port: 0, ...scope } }),
    });
    setUserTimeout(socket, connectPatience(session));
    return socket;
  }

  #scopeOf(call: Call): number {
    const on = call.ifname === undefined ? undefined : this.#parts.interfaces.named(call.ifname);
    if (on === undefined) throw new Fault("INTERFACE_MISSING", { ifname: call.ifname ?? "(none named)" });
    return on.index;
  }

  /** Prepares the socket of somebody who may call; else says why not. */
  #admit(stream: Stream, remote: Endpoint): string | undefined {
    const { interfaces, speaker, guarded } = this.#parts;
    const local = stream.local;
    if (local === undefined) return "reset";
    const { ifname } = interfaces.ends(local.ip, remote.ip, remote.scope);
    const expected = speaker.expected(remote.ip, ifname);
    if (expected === undefined) return "unknown";
    if (!guarded(remote, expected)) return "unsigned";
    const { session } = expected;
    if (session.source !== undefined && ipOf(session.source) !== local.ip) return "other-address";
    let others = 0;
    for (const key of this.#alive.values()) if (key === formatIp(remote.ip)) others++;
    if (others >= CONNECTIONS_EACH) return "too-many";
    return this.#prepare(stream, remote, session);
  }

  #prepare(stream: Stream, remote: Endpoint, session: BgpSession): string | undefined {
    try {
      setHops(stream.fd, !isIpv4(remote.ip), hopsOf(session, this.#plan()));
      detach(stream.fd); // the listener's
      setUserTimeout(stream.fd, sendPatience(session));
      return undefined;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      return reasonOf(cause);
    }
  }

  /** Said at most once in a while, with the counters: a stranger who knocks must not fill the log. */
  #refuse(why: string, remote: Endpoint): void {
    this.#counts.set(why, (this.#counts.get(why) ?? 0) + 1);
    if (this.#refusals !== undefined) return;
    const tell = (): void =>
      this.#parts.warn("bgp.caller-refused", {
        from: formatIp(remote.ip),
        why,
        refused: Object.fromEntries(this.#counts),
      });
    tell();
    this.#refusals = this.loop.wakeAt(after(this.loop.now(), SAY_EVERY), () => {
      this.#refusals = undefined;
    });
  }

  #sample(): void {
    this.#sampler ??= this.loop.wakeAt(after(this.loop.now(), SAMPLE_EVERY), () => {
      this.#sampler = undefined;
      let slow = false;
      for (const link of this.#links.values()) {
        link.observe();
        slow ||= link.isSlow;
      }
      if (slow) this.#sample();
    });
  }

  #plan(): BgpPlan {
    const plan = this.#parts.plan();
    if (plan === undefined) throw new TypeError("a call without a plan");
    return plan;
  }
}

interface Called {
  readonly call: Call;
  readonly before: DropCounts | undefined;
}

/** Nobody tells the caller that a signature was wrong, or that he is too far; the kernel counts what it drops. */
function hintOf(before: DropCounts, session: BgpSession): string {
  const now = dropCounts();
  const far = now.far - before.far;
  const hops = session.ttlSecurity ?? 0;
  if (far > 0)
    return `; ${far} segments came from further away than ${hops} hop${hops === 1 ? "" : "s"} and were dropped`;
  if (session.auth === undefined) return "";
  const wrong = now.wrong - before.wrong;
  if (wrong > 0) return `; ${wrong} segments with a wrong signature were dropped: the peer's password differs`;
  const missing = now.missing - before.missing;
  if (missing > 0) return `; ${missing} segments without a signature were dropped: the peer has no password`;
  return "; a peer that has another password, or none, does not answer";
}

function reasonOf(fault: Fault): string {
  if (fault.code === "KERNEL_MISSING") return `this kernel has no ${String(fault.fields["feature"])}`;
  if (fault.code === "INTERFACE_MISSING") return `no interface ${String(fault.fields["ifname"])}`;
  const { call, option, errno, address } = fault.fields as Readonly<Record<string, string | undefined>>;
  return [option ?? call, address, errno].filter((each) => each !== undefined).join(" ") || fault.message;
}

/** For our OPEN to be acknowledged. */
const OPEN_PATIENCE = 10_000;
/** Of one address at a time: a collision needs two. */
const CONNECTIONS_EACH = 4;
const SAMPLE_EVERY = ms(1000);
const SAY_EVERY = ms(10_000);
