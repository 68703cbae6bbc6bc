/**
 * One BFD session.  Standards: RFC 5880 §6.1–6.6, §6.8 (authentication: auth.ts; echo: echo.ts; which session a packet
 * belongs to: sessions.ts).
 *
 * A parameter of ours changes in three steps (§6.8.3): it is advertised with P set, and what would hurt before the peer
 * knows of it (sending less often, waiting less long) is put off until F came.
 */
import type { Ip } from "../../base/address.ts";
import { after, earliest, type Instant, type Ms, ms, seconds } from "../../base/unit.ts";
import { Authenticator, type Digests } from "./auth.ts";
import { Echo } from "./echo.ts";
import type { Action, SessionConfig } from "./event.ts";
import type { ControlPacket } from "./packet.ts";
import type { BfdDiagnostic, BfdState } from "./plan.ts";
import { EARLIEST, jitter, longer, slow } from "./timing.ts";
import { ON_HEARING } from "./transitions.ts";

export interface SessionParts {
  /** In [0, 1). */
  readonly random: () => number;
  readonly digests: Digests;
  /** Proves that an echo packet is one of ours: 16 octets. */
  readonly proof: (bytes: Uint8Array) => Uint8Array;
}

export class Session {
  readonly localDiscriminator: number;
  config: SessionConfig;
  state: BfdState = "down";
  remoteState: BfdState = "down";
  diagnostic: BfdDiagnostic = "none";
  /** bfd.RemoteDiscr */
  remoteDiscriminator = 0;
  /** The last packet that was not discarded. */
  heard: ControlPacket | undefined;
  wasUp = false;
  flaps = 0;
  received = 0;
  sent = 0;
  changedAt: Instant;
  readonly refused: Record<string, number> = {};
  lastRefusal: string | undefined;
  /** Where the peer sends to, and what that comes in through. */
  local: Ip | undefined;
  ifname: string | undefined;
  readonly auth: Authenticator;
  readonly echo: Echo;
  /** It ends when it has told the peer long enough. */
  leavingAt: Instant | undefined;
  /** Place in schedule.ts. */
  place = -1;
  /** When to wake it. */
  dueAt: Instant;
  /** From here on it has something to do if somebody is awake anyway. */
  earlyAt: Instant;

  readonly #parts: SessionParts;
  /** bfd.RemoteMinRxInterval */
  #remoteMinRx: Ms = UNHEARD;
  /** Advertised: bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval. */
  #desiredMinTx: Ms;
  #requiredMinRx: Ms;
  /** The same as far as they are in force. */
  #txInForce: Ms;
  #rxInForce: Ms;
  #poll: Poll | undefined;
  #pollAt: Instant | undefined;
  #lastTx: Instant | undefined;
  /** How much of an interval passes until the next packet. */
  #jitter = 0;
  #heardAt: Instant | undefined;
  #wasDemanding = false;
  /** What was sent last, while it may be sent again. */
  #ready: Uint8Array | undefined;

  constructor(config: SessionConfig, discriminator: number, parts: SessionParts, now: Instant) {
    this.config = config;
    this.#parts = parts;
    this.localDiscriminator = discriminator;
    this.auth = new Authenticator(config.auth, parts.digests, Math.floor(parts.random() * 2 ** 32));
    this.echo = new Echo(discriminator, parts);
    this.changedAt = now;
    this.dueAt = now;
    this.earlyAt = now;
    this.#desiredMinTx = slow(config.timing.desiredMinTx);
    this.#requiredMinRx = config.timing.requiredMinRx;
    this.#txInForce = this.#desiredMinTx;
    this.#rxInForce = this.#requiredMinRx;
    if (config.adminDown) {
      this.state = "admin-down";
      this.diagnostic = "admin-down";
    }
  }

  /** §6.8.7, before jitter. */
  get txInterval(): Ms {
    return longer(this.#txInForce, this.#remoteMinRx);
  }
  /** §6.8.4; 0 where nothing is to be detected: nothing was heard, or the peer was asked to send nothing. */
  get detectionTime(): Ms {
    if (this.heard === undefined || this.#rxInForce === 0) return ms(0);
    if (this.demanding) return ms(this.config.timing.multiplier * this.txInterval);
    return ms(this.heard.multiplier * longer(this.#rxInForce, this.heard.desiredMinTx));
  }
  /** Demand mode is active here: the peer is quiet because we asked for it (§6.6). */
  get demanding(): boolean {
    return this.config.timing.demand && this.state === "up" && this.remoteState === "up";
  }

  configure(config: SessionConfig, now: Instant, out: Action[]): void {
    const was = this.config.adminDown;
    this.config = config;
    this.leavingAt = undefined;
    this.#ready = undefined;
    this.auth.configure(config.auth, this.state === "up", now);
    if (config.adminDown && !was) this.#move("admin-down", "admin-down", now, out);
    else if (!config.adminDown && was) this.#move("down", "none", now, out);
    this.#refresh(now, out);
    this.#reckon();
    out.push({ kind: "changed", session: this });
  }

  /** §6.8.16: AdminDown is said for at least a detection time of the peer's. */
  leave(now: Instant, out: Action[]): void {
    if (this.leavingAt !== undefined) return;
    this.config = { ...this.config, adminDown: true };
    if (this.state !== "admin-down") this.#move("admin-down", "admin-down", now, out);
    const silent = this.heard === undefined || this.remoteDiscriminator === 0;
    const span = silent ? ms(0) : ms(this.config.timing.multiplier * this.txInterval);
    this.leavingAt = after(now, span);
    this.#reckon();
  }

  /** A packet that belongs here and is authentic: the second half of §6.8.6. */
  receive(packet: ControlPacket, now: Instant, out: Action[]): void {
    const before = this.heard;
    this.received++;
    this.heard = packet;
    this.#heardAt = now;
    if (this.remoteDiscriminator !== packet.myDiscriminator) {
      this.remoteDiscriminator = packet.myDiscriminator;
      this.#ready = undefined;
    }
    if (!this.config.adminDown) this.leavingAt = undefined; // a stranger that came back
    this.remoteState = packet.state;
    this.#remoteMinRx = packet.requiredMinRx;
    if (packet.final && this.#poll !== undefined) this.#pollEnded(now, out);
    if (this.state === "admin-down") return this.#reckon();
    const next = ON_HEARING[this.state][packet.state];
    if (next !== this.state) this.#move(next, next === "down" ? "neighbor-down" : "none", now, out);
    this.#refresh(now, out);
    // §6.8.7: at once, whatever else forbids sending.
    if (packet.poll) this.#transmit(true, now, out);
    this.#reckon();
    if (before === undefined || !sameTerms(before, packet)) out.push({ kind: "changed", session: this });
  }

  /** False: not one that was waited for. */
  echoed(sequence: number, now: Instant, out: Action[]): boolean {
    const was = this.echo.working;
    if (!this.echo.returned(sequence, now)) return false;
    if (!was) out.push({ kind: "changed", session: this });
    this.#refresh(now, out);
    this.#reckon();
    return true;
  }

  /**
   * Does what is due at `now`, and sends what would be due within a moment: one wake-up serves many.  `conclusive`: no
   * packet that has arrived waits to be looked at, so that silence is silence.
   */
  wake(now: Instant, conclusive: boolean, out: Action[]): void {
    if (conclusive) {
      const [detect, forget] = [this.#detectAt(), this.#forgetAt()];
      if (detect !== undefined && now >= detect) this.#expired(now, out);
      else if (forget !== undefined && now >= forget) this.#forgotten(now);
      if (this.echo.failed(now)) this.#move("down", "echo-failed", now, out);
    }
    const echo = this.echo.transmit(now);
    if (echo !== undefined) out.push({ kind: "echo", session: this, octets: echo });
    if (this.#pollAt !== undefined && now >= this.#pollAt) {
      this.#pollAt = undefined;
      if (this.demanding) this.#startPoll();
    }
    const at = this.#txAt();
    if (at !== undefined && now >= this.#early(at)) this.#transmit(false, now, out);
    this.#reckon();
  }

  refuse(name: string, from: string): void {
    this.refused[name] = (this.refused[name] ?? 0) + 1;
    this.lastRefusal = `${name} from ${from}`;
  }

  #move(to: BfdState, diagnostic: BfdDiagnostic, now: Instant, out: Action[]): void {
    const from = this.state;
    this.state = to;
    this.#ready = undefined;
    // §6.8.1: the diagnostic tells why the session went down last, also while it comes back.
    if (to === "down" || to === "admin-down") this.diagnostic = diagnostic;
    if (to === "up") {
      this.wasUp = true;
      this.diagnostic = "none";
    }
    if (from === "up") this.flaps++;
    this.changedAt = now;
    this.#refresh(now, out);
    // §6.8.7: a change of state is told at once, to the peer first.
    if (this.#mayTransmit()) this.#transmit(false, now, out);
    out.push({ kind: "moved", session: this, from, to });
  }

  /** §6.8.4, and §6.8.1 of bfd.RemoteDiscr. */
  #expired(now: Instant, out: Action[]): void {
    this.remoteDiscriminator = 0;
    this.#ready = undefined;
    this.#poll = undefined;
    if (this.state === "init" || this.state === "up") {
      this.#move("down", "control-detection-expired", now, out);
    } else out.push({ kind: "changed", session: this });
  }

  /** §6.8.1 of bfd.AuthSeqKnown: twice the detection time without a packet. */
  #forgotten(now: Instant): void {
    this.auth.forget();
    this.#heardAt = undefined;
    if (this.config.unsolicited) this.leavingAt = after(now, STRANGER_KEPT);
    this.#remoteMinRx = UNHEARD; // whoever comes next has not said that it wants nothing
  }

  /** What follows from state, configuration and what was heard: echo, intervals, polls. */
  #refresh(now: Instant, out: Action[]): void {
    const { timing, hops } = this.config;
    const offer = this.heard?.requiredMinEchoRx ?? ms(0);
    const wanted = hops === "single" && this.state === "up" && offer > 0 ? timing.echoTx : undefined;
    const was = this.echo.working;
    this.echo.run(wanted === undefined ? undefined : longer(wanted, offer), timing.multiplier, now);
    if (this.echo.working !== was) out.push({ kind: "changed", session: this });
    if (this.demanding !== this.#wasDemanding) {
      this.#wasDemanding = this.demanding;
      this.#ready = undefined;
      this.#heardAt = now; // the peer had no reason to send until now
      this.#startPoll();
    }
    this.#advertise();
  }

  #advertise(): void {
    const { timing } = this.config;
    const desired = this.state === "up" ? timing.desiredMinTx : slow(timing.desiredMinTx);
    // §6.8.3: echo does the detecting, so control packets may be few.
    const required = this.echo.working && timing.requiredMinRx > 0 ? slow(timing.requiredMinRx) : timing.requiredMinRx;
    const isUp = this.state === "up";
    if (!isUp || desired < this.#txInForce) this.#txInForce = desired;
    if (!isUp || required > this.#rxInForce) this.#rxInForce = required;
    if (desired === this.#desiredMinTx && required === this.#requiredMinRx) return;
    this.#desiredMinTx = desired;
    this.#requiredMinRx = required;
    this.#startPoll();
  }

  /** One at a time (§6.5): what changes meanwhile is polled for afterwards. */
  #startPoll(): void {
    this.#ready = undefined;
    if (this.#poll !== undefined && this.#poll.begunAt !== undefined) this.#poll.again = true;
    else this.#poll ??= { begunAt: undefined, again: false };
  }

  #pollEnded(now: Instant, out: Action[]): void {
    const again = this.#poll?.again === true;
    this.#poll = undefined;
    this.#ready = undefined;
    if (again) return this.#startPoll();
    if (this.#txInForce !== this.#desiredMinTx || this.#rxInForce !== this.#requiredMinRx) {
      this.#txInForce = this.#desiredMinTx;
      this.#rxInForce = this.#requiredMinRx;
      out.push({ kind: "changed", session: this });
    }
    if (this.demanding) this.#pollAt = after(now, longer(VERIFY, this.txInterval));
  }

  /** §6.8.7: who may send packets that nobody asked for. */
  #mayTransmit(): boolean {
    if (this.#remoteMinRx === 0) return false;
    if (this.config.role === "passive" && this.remoteDiscriminator === 0) return false;
    const quiet = this.heard?.demand === true && this.state === "up" && this.remoteState === "up";
    return !quiet || this.#poll !== undefined;
  }

  #transmit(final: boolean, now: Instant, out: Action[]): void {
    const poll = !final && this.#poll !== undefined;
    if (poll && this.#poll !== undefined) this.#poll.begunAt ??= now;
    this.sent++;
    if (!final) {
      this.#lastTx = now;
      this.#jitter = jitter(this.config.timing.multiplier, this.#parts.random());
    }
    if (final || this.#ready === undefined || !this.auth.repeats) {
      const octets = this.auth.sign(this.#packet(poll, final), now);
      // What was signed under a former key must not be said again under the next.
      if (!final) this.#ready = this.auth.repeats ? octets : undefined;
      out.push({ kind: "send", session: this, octets });
    } else out.push({ kind: "send", session: this, octets: this.#ready });
  }

  #packet(poll: boolean, final: boolean): Omit<ControlPacket, "auth"> {
    const { multiplier, requiredMinEchoRx } = this.config.timing;
    return {
      diagnostic: this.diagnostic,
      state: this.state,
      poll,
      final,
      controlPlaneIndependent: false, // this process ends with its control
      demand: this.demanding,
      multiplier,
      myDiscriminator: this.localDiscriminator,
      yourDiscriminator: this.remoteDiscriminator,
      desiredMinTx: this.#desiredMinTx,
      requiredMinRx: this.#requiredMinRx,
      requiredMinEchoRx,
    };
  }

  #txAt(): Instant | undefined {
    if (!this.#mayTransmit()) return undefined;
    return this.#lastTx === undefined ? this.changedAt : after(this.#lastTx, ms(this.txInterval * this.#jitter));
  }

  /** A packet may share the wake-up of another: a little early, but never before what jitter allows. */
  #early(at: Instant): Instant {
    if (this.#lastTx === undefined) return at;
    const interval = this.txInterval;
    const least = after(this.#lastTx, ms(interval * EARLIEST));
    const shared = after(at, ms(0 - interval * SHARE));
    return shared > least ? shared : least;
  }

  #detectAt(): Instant | undefined {
    if (this.remoteDiscriminator === 0 || this.#heardAt === undefined || this.#rxInForce === 0) return undefined;
    if (!this.demanding) return after(this.#heardAt, this.detectionTime);
    const begun = this.#poll?.begunAt;
    return begun === undefined ? undefined : after(begun, this.detectionTime);
  }
  #forgetAt(): Instant | undefined {
    if (this.remoteDiscriminator !== 0 || this.#heardAt === undefined) return undefined;
    return after(this.#heardAt, ms(2 * this.detectionTime));
  }

  #reckon(): void {
    const tx = this.#txAt();
    let due = earliest(this.#detectAt(), this.#forgetAt());
    due = earliest(due, this.#pollAt);
    due = earliest(due, this.echo.dueAt);
    due = earliest(due, this.leavingAt) ?? NEVER;
    const early = tx === undefined ? NEVER : this.#early(tx);
    this.earlyAt = early < due ? early : due;
    this.dueAt = tx !== undefined && tx < due ? tx : due;
  }
}

interface Poll {
  /** First packet with P. */
  begunAt: Instant | undefined;
  /** Something changed after that: F is no answer to it. */
  again: boolean;
}

/** Nothing that a report shows differs. */
function sameTerms(a: ControlPacket, b: ControlPacket): boolean {
  return (
    a.state === b.state &&
    a.desiredMinTx === b.desiredMinTx &&
    a.requiredMinRx === b.requiredMinRx &&
    a.requiredMinEchoRx === b.requiredMinEchoRx &&
    a.multiplier === b.multiplier &&
    a.demand === b.demand &&
    a.diagnostic === b.diagnostic &&
    a.myDiscriminator === b.myDiscriminator &&
    a.controlPlaneIndependent === b.controlPlaneIndependent
  );
}

/** In Demand mode the peer is asked this often whether it is there (§6.6 leaves it to us). */
const VERIFY = seconds(1);
/** RFC 9468 leaves it to us how long a session outlives the stranger who opened it. */
const STRANGER_KEPT = seconds(10);
/** Of an interval: packets that are due within it go together. */
const SHARE = 0.05;
/** §6.8.1: 1 µs before anything was heard. */
const UNHEARD = ms(0.001);
const NEVER = Number.POSITIVE_INFINITY as Instant;
