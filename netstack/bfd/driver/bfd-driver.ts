/**
 * The hands of all BFD sessions: sockets, the one alarm, and what control is told.  Part of the pulse process, so that
 * nothing else on the host can make a session flap.
 */
import { createHmac, hash } from "node:crypto";
import { formatIp } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { Tracer } from "../../../base/trace.ts";
import { after, type Instant, instant, type Ms, ms, seconds, since } from "../../../base/unit.ts";
import type { DatagramMeta, Loop } from "../../kernel/loop.ts";
import { randomOctets } from "../../kernel/random.ts";
import { decodeInet } from "../../kernel/sockaddr.ts";
import { describeMalformed, describePacket } from "../describe.ts";
import type { Action } from "../event.ts";
import { decode } from "../packet.ts";
import type { BfdPlan, BfdReport } from "../plan.ts";
import { reportOf } from "../report.ts";
import type { Session } from "../session.ts";
import { Sessions } from "../sessions.ts";
import { longer } from "../timing.ts";
import { Echoes } from "./echoes.ts";
import { Interfaces } from "./interfaces.ts";
import { sessionsOf, unsolicitedOf } from "./plan-reader.ts";
import { Random } from "./random.ts";
import { Receivers } from "./receivers.ts";
import { Senders } from "./senders.ts";
import type { Hops } from "./sockets.ts";

export type BfdNews =
  | { readonly kind: "bfd"; readonly report: BfdReport }
  | { readonly kind: "bfd-gone"; readonly id: string }
  | { readonly kind: "bfd-strays"; readonly refused: Readonly<Record<string, number>> }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

export interface BfdParts {
  readonly loop: Loop;
  readonly tell: (news: BfdNews) => void;
  readonly tracer: Tracer;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
}

export class BfdDriver implements Disposable {
  readonly #parts: BfdParts;
  readonly #random = new Random();
  readonly #secret = randomOctets(32);
  readonly #sessions: Sessions;
  readonly #senders: Senders;
  readonly #receivers: Receivers;
  /** Nothing is watched before there is something to do. */
  #interfaces: Interfaces | undefined;
  /** Neither is the Echo function's machinery there before somebody wants it. */
  #echoes: Echoes | undefined;
  #plan: BfdPlan = { sessions: [], unsolicited: [] };
  #alarm: Disposable | undefined;
  #alarmAt: Instant = NEVER;
  #counting: Disposable | undefined;
  /** What the last report said of the counters. */
  readonly #told = new WeakMap<Session, number>();
  readonly #moved = new WeakMap<Session, { readonly at: Instant; readonly wall: number }>();
  readonly #restless = new WeakMap<Session, { readonly until: Instant; moves: number }>();
  readonly #changed = new Set<Session>();
  #reporting: Disposable | undefined;
  /** Warnings, and when each may be said again. */
  readonly #warned = new Map<string, Instant>();
  /** The turn that brought packets last, how many, and in how many turns in a row there were as many. */
  #turn: Instant = NEVER;
  #inTurn = 0;
  #crowded = 0;
  #patientUntil: Instant = instant(0);
  /** Since that was told last. */
  #late: { readonly times: number; readonly most: Ms } = { times: 0, most: ms(0) };
  #lateToldAt: Instant = instant(0);

  constructor(parts: BfdParts) {
    this.#parts = parts;
    const digest = (name: string) => (bytes: Uint8Array) => hash(name, bytes, "buffer");
    this.#sessions = new Sessions({
      random: () => this.#random.fraction(),
      discriminator: () => this.#random.u32(),
      digests: { md5: digest("md5"), sha1: digest("sha1") },
      proof: (bytes) => createHmac("sha256", this.#secret).update(bytes).digest(),
    });
    this.#senders = new Senders(parts.loop, (ifname) => this.#interfaces?.indexOf(ifname));
    this.#receivers = new Receivers(parts.loop, {
      received: (hops, bytes, meta) => this.#received(hops, bytes, meta),
      failed: (fields) => this.#warn("bfd.socket-failed", fields),
    });
  }

  plan(plan: BfdPlan): void {
    this.#plan = plan;
    const busy = plan.sessions.length + plan.unsolicited.length > 0;
    if (busy) this.#begin();
    const { loop } = this.#parts;
    const unsolicited = plan.unsolicited.map((spec) =>
      unsolicitedOf(spec, (ifname) => this.#interfaces?.networks(ifname) ?? []),
    );
    // Those that leave are heard as long as they speak.
    const leaving = [...this.#sessions.all()].map(({ config }) => config);
    const wanted = sessionsOf(plan);
    this.#receivers.want([...leaving, ...wanted], plan.unsolicited.length > 0);
    this.#perform(this.#sessions.configure(wanted, unsolicited, loop.now()));
    for (const session of this.#sessions.all()) if (!this.#told.has(session)) this.#report(session);
    this.#openEchoes();
    this.#arm();
  }

  /** Everything that control may want to know, now. */
  report(): void {
    for (const session of this.#sessions.all()) this.#report(session);
    this.#parts.tell({ kind: "bfd-strays", refused: { ...this.#sessions.strays } });
  }

  /** Peers are told that silence from now on is on purpose. */
  [Symbol.dispose](): void {
    this.#perform(this.#sessions.stop(this.#parts.loop.now()));
    this.#alarm?.[Symbol.dispose]();
    this.#counting?.[Symbol.dispose]();
    this.#reporting?.[Symbol.dispose]();
    this.#interfaces?.[Symbol.dispose]();
    this.#echoes?.[Symbol.dispose]();
    this.#senders[Symbol.dispose]();
    this.#receivers[Symbol.dispose]();
  }

  #begin(): void {
    const { loop } = this.#parts;
    this.#interfaces ??= new Interfaces(loop, {
      renumbered: (ifname) => {
        this.#senders.renumbered(ifname);
        this.#openEchoes();
      },
      readdressed: () => this.#readdressed(),
    });
    this.#counting ??= this.#countLater();
  }

  #openEchoes(): void {
    const wanted = new Set<string>();
    for (const { config, ifname: learnt } of this.#sessions.all()) {
      const { echoTx, requiredMinEchoRx } = config.timing;
      const ifname = config.ifname ?? learnt;
      if (config.hops === "single" && ifname !== undefined && (echoTx !== undefined || requiredMinEchoRx > 0))
        wanted.add(ifname);
    }
    if (wanted.size === 0 && this.#echoes === undefined) return;
    const { loop } = this.#parts;
    this.#echoes ??= new Echoes(loop, {
      returned: (payload, from) => {
        this.#count(loop.turnAt());
        const actions = this.#sessions.echoed(payload, from, loop.turnAt());
        if (actions === undefined) return false;
        this.#perform(actions);
        this.#arm();
        return true;
      },
      owner: (peer, ifname) => this.#sessions.echoOwner(peer, ifname),
      failed: (fields) => this.#warn("bfd.socket-failed", fields),
    });
    this.#echoes.want(wanted);
  }

  /** Networks that strangers may come from have changed. */
  #readdressed(): void {
    this.#senders.retry();
    if (this.#plan.unsolicited.some(({ from }) => from.length === 0)) this.plan(this.#plan);
  }

  #received(hops: Hops, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from);
    if (from === undefined) return;
    const { loop, tracer } = this.#parts;
    const now = loop.turnAt();
    this.#count(now);
    this.#seen(now);
    if (tracer.active) {
      const packet = decode(bytes);
      const text = packet.ok ? describePacket(packet.value) : describeMalformed(packet.error);
      tracer.line(formatIp(from.ip), "in", text);
    }
    const { ttl, to } = meta;
    const ifname = meta.ifindex === undefined ? undefined : this.#interfaces?.nameOf(meta.ifindex);
    this.#perform(this.#sessions.receive(bytes, { hops, from: from.ip, to, ifname, ttl }, now));
    if (this.#sessions.hasWork(now)) this.#perform(this.#sessions.wake(now, false));
    this.#arm();
  }

  #count(now: Instant): void {
    if (this.#turn !== now) this.#inTurn = 0;
    this.#turn = now;
    this.#inTurn++;
  }

  #wake(): void {
    const { loop } = this.#parts;
    const now = loop.now();
    this.#seen(now);
    this.#alarm = undefined;
    this.#alarmAt = NEVER;
    // A turn that brought many packets may have left more behind: nobody is silent before those are looked at.  A flood
    // must not put this off for ever.
    const isCrowded = this.#turn === loop.turnAt() && this.#inTurn >= CROWD;
    this.#crowded = isCrowded ? this.#crowded + 1 : 0;
    const conclusive = (!isCrowded || this.#crowded > MOST_CROWDED) && now >= this.#patientUntil;
    this.#perform(this.#sessions.wake(now, conclusive));
    this.#arm();
  }

  /** While this host stood still nothing could be heard: that time is no silence, and what came meanwhile takes as long. */
  #seen(now: Instant): void {
    const late = since(this.#alarmAt, now);
    if (late < STANDSTILL) return;
    const until = after(now, late < MOST_PATIENCE ? late : MOST_PATIENCE);
    if (until > this.#patientUntil) this.#patientUntil = until;
    this.#wokenLate(late);
  }

  /** A host that does not let this process run makes peers believe that it is dead: an operator must be able to tell. */
  #wokenLate(late: Ms): void {
    if (late < LATE) return;
    this.#late = { times: this.#late.times + 1, most: longer(late, this.#late.most) };
    const { loop, tell } = this.#parts;
    if (loop.now() < this.#lateToldAt) return;
    this.#lateToldAt = after(loop.now(), WARN_EVERY);
    const { times, most } = this.#late;
    this.#late = { times: 0, most: ms(0) };
    tell({ kind: "event", name: "bfd.woken-late", fields: { times, most: Math.round(most), level: "warn" } });
  }

  #arm(): void {
    const due = this.#sessions.nextWake() ?? NEVER;
    const now = this.#parts.loop.turnAt();
    // What is overdue waits for a conclusion: it is looked at now and then, not without a pause.
    const next = due <= now && now < this.#patientUntil ? after(now, LOOK_EVERY) : due;
    if (next === this.#alarmAt) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = next;
    this.#alarm = next === NEVER ? undefined : this.#parts.loop.wakeAt(next, () => this.#wake());
  }

  #perform(actions: readonly Action[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case "send":
          this.#send(action.session, action.octets);
          break;
        case "echo":
          this.#echoes?.send(action.session, action.octets);
          break;
        case "moved":
          this.#move(action);
          break;
        case "changed":
          this.#reportSoon(action.session);
          break;
        case "gone":
          for (const id of action.ids) this.#parts.tell({ kind: "bfd-gone", id });
          if (action.last) this.#ended(action.session);
          break;
        default:
          unreachable(action);
      }
    }
  }

  #ended(session: Session): void {
    this.#changed.delete(session);
    this.#senders.close(session);
    const left = [...this.#sessions.all()].map(({ config }) => config);
    this.#receivers.want(left, this.#plan.unsolicited.length > 0);
  }

  #send(session: Session, octets: Uint8Array): void {
    const { tracer } = this.#parts;
    if (tracer.active) {
      const packet = decode(octets);
      if (packet.ok) tracer.line(formatIp(session.config.peer), "out", describePacket(packet.value));
    }
    const failure = this.#senders.send(session, octets);
    if (failure !== undefined) this.#warn("bfd.send-failed", { peer: formatIp(session.config.peer), ...failure });
  }

  #move({ session, from, to }: Action & { kind: "moved" }): void {
    const { tell, tracer } = this.#parts;
    const { config, diagnostic, heard } = session;
    const peer = formatIp(config.peer);
    if (tracer.active) tracer.line(peer, "state", `${from} → ${to}, diagnostic ${diagnostic}`);
    if (to === "up") this.#openEchoes(); // the interface may have been learnt only now
    if (this.#isRestless(session)) return this.#reportSoon(session);
    this.#report(session);
    const lost = from === "up" && to !== "admin-down" && session.remoteState !== "admin-down";
    const fields = { peer, ifname: config.ifname, from, to, diagnostic, remoteDiagnostic: heard?.diagnostic };
    tell({ kind: "event", name: "bfd.moved", fields: { ...fields, level: lost ? "warn" : "info" } });
  }

  /** A peer can make a session move with each packet; control is told of so many a second, then of what they came to. */
  #isRestless(session: Session): boolean {
    const now = this.#parts.loop.now();
    const known = this.#restless.get(session);
    if (known === undefined || now >= known.until) {
      this.#restless.set(session, { until: after(now, seconds(1)), moves: 1 });
      return false;
    }
    known.moves++;
    return known.moves > MOST_MOVES;
  }

  /** Together with what else changes: a peer that says something else in each packet must not keep control busy. */
  #reportSoon(session: Session): void {
    const { loop } = this.#parts;
    this.#changed.add(session);
    this.#reporting ??= loop.wakeAt(after(loop.now(), SOON), () => {
      this.#reporting = undefined;
      for (const each of this.#changed) this.#report(each);
    });
  }

  #report(session: Session): void {
    const { tell } = this.#parts;
    this.#changed.delete(session);
    this.#told.set(session, count(session));
    const since = this.#since(session);
    for (const id of session.config.ids) tell({ kind: "bfd", report: reportOf(session, id, since) });
  }

  /** Of the last change of state, by the wall clock as it was at the first look. */
  #since(session: Session): number {
    const known = this.#moved.get(session);
    if (known?.at === session.changedAt) return known.wall;
    const { loop, wall } = this.#parts;
    const at = { at: session.changedAt, wall: Math.round(wall() - since(session.changedAt, loop.now())) };
    this.#moved.set(session, at);
    return at.wall;
  }

  #countLater(): Disposable {
    const { loop } = this.#parts;
    return loop.wakeAt(after(loop.now(), COUNTERS_EVERY), () => {
      for (const session of this.#sessions.all()) {
        if (this.#told.get(session) !== count(session)) this.#report(session);
      }
      this.#counting = this.#countLater();
    });
  }

  #warn(name: string, fields: Readonly<Record<string, unknown>>): void {
    const now = this.#parts.loop.now();
    const key = JSON.stringify([name, fields]);
    if (now < (this.#warned.get(key) ?? now)) return;
    if (this.#warned.size >= MOST_WARNED) this.#warned.clear();
    this.#warned.set(key, after(now, WARN_EVERY));
    this.#parts.tell({ kind: "event", name, fields: { ...fields, level: "warn" } });
  }
}

/** Moves when any counter does. */
function count(session: Session): number {
  return Object.values(session.refused).reduce((sum, each) => sum + each, session.received + session.sent);
}

/** As many datagrams as a loop takes from one socket in a turn. */
const CROWD = 16;
const MOST_CROWDED = 64;
const STANDSTILL = ms(2);
const MOST_PATIENCE = ms(50);
const LOOK_EVERY = ms(1);
/** Worth telling. */
const LATE = ms(10);
const SOON = ms(50);
const MOST_MOVES = 20;
const WARN_EVERY = seconds(60);
const MOST_WARNED = 256;
const COUNTERS_EVERY = seconds(10);
const NEVER = instant(Number.POSITIVE_INFINITY);
