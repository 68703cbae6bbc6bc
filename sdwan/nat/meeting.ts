/**
 * One tunnel to one site, from the side of its direct way: when to look for it and when to give up for a while, and who
 * carries the packets meanwhile.  Both ends hear of an attempt and begin at the same time.  Sans-IO.
 *
 * A handshake says that a way worked minutes ago.  Probes know sooner when it does not any more: then the way is doubted
 * until there is another handshake, a check is answered, or the probes come through again.
 *
 * Carriage is decided by both ends alike, or one would refuse what the other sends (WireGuard's cryptokey routing): direct
 * when each has said that it has a handshake, by the relay otherwise.
 */
import { formatIp } from "../../base/address.ts";
import { formatEndpoint } from "../../base/endpoint.ts";
import { after, earliest, type Instant, type Ms, ms, seconds, since } from "../../base/unit.ts";
import type { StunAddress } from "../../netstack/stun/packet.ts";
import type { Mapping } from "../../netstack/stun/plan.ts";
import { Attempt, isHard, type Way } from "./attempt.ts";
import type { OfferedCandidate, OfferedTunnel } from "./offer.ts";

export interface MeetingView {
  /** Our end has a direct handshake. */
  readonly direct: boolean;
  /** Which one: its time, milliseconds since the epoch. */
  readonly lastHandshake?: number | undefined;
  /** Where WireGuard calls the other end. */
  readonly endpoint?: StunAddress | undefined;
  /** "direct" or the relaying site. */
  readonly via: string;
  /** The site that may carry, and whether its own tunnel on the device works. */
  readonly relay: { readonly site: string; readonly works: boolean } | undefined;
  readonly listenPort: number;
  /** false: another peer of the device would lose its way if the device's port moved; true by default. */
  readonly mayMove?: boolean;
}

export interface OwnEnd {
  readonly candidates: readonly OfferedCandidate[];
  readonly mapping: Mapping;
  readonly step: number | undefined;
}

export class Meeting {
  #view: MeetingView | undefined;
  /** `direct` as the last look had it. */
  #said: boolean | undefined;
  #own: OwnEnd = { candidates: [], mapping: "unknown", step: undefined };
  #theirs: OfferedTunnel | undefined;
  #heardAt: Instant | undefined;
  #attempt: Attempt | undefined;
  #attemptAt: Instant | undefined;
  /** What was known of them when it began. */
  #attemptFor = "";
  /** Attempts that may begin, as of a time. */
  #left = BURST;
  #leftAt: Instant | undefined;
  /** Found since there was a handshake last. */
  #ways = 0;
  /** The handshake that is worth nothing any more, by what probes say. */
  #doubted: { readonly handshake: number | undefined } | undefined;
  /** When there was a sign last that the way works. */
  #trustedAt: Instant | undefined;
  /** Our end has moved: the way is made sure of although it seems to work. */
  #confirmAt: Instant | undefined;
  #confirms = false;
  /** The last places that we were at. */
  #places: readonly OfferedCandidate[] = [];
  /** The other end has moved, or lost the way, and will begin. */
  #theyMoved = false;
  /** Ours, and the last one of theirs that was followed. */
  #number = 0;
  #followed = 0;
  #nextAt: Instant | undefined;
  #pause: Ms = FIRST_PAUSE;
  readonly #random: () => number;
  readonly #taken: (port: number) => boolean;
  readonly #leaps: boolean;

  /** `taken`: ports of this host that are not free.  `leaps`: true at one of the two ends (AttemptSpec). */
  constructor(random: () => number, taken: (port: number) => boolean = () => false, leaps = false) {
    this.#random = random;
    this.#taken = taken;
    this.#leaps = leaps;
  }

  get attempt(): Attempt | undefined {
    return this.#attempt;
  }
  get number(): number {
    return this.#number;
  }
  /** Our end's direct way works, as far as is known. */
  get direct(): boolean {
    const doubted = this.#doubted !== undefined && this.#doubted.handshake === this.#view?.lastHandshake;
    return this.#view?.direct === true && !doubted;
  }
  /** How the other end's gateway maps, by its own word; undefined = it has said nothing. */
  get theirMapping(): Mapping | undefined {
    return this.#theirs?.mapping;
  }
  /** When `wake` has something to decide. */
  get due(): Instant | undefined {
    return this.#attempt?.due ?? earliest(this.direct ? undefined : this.#nextAt, this.#confirmAt);
  }

  /** Whether the other end must hear of what changed. */
  look(view: MeetingView, now: Instant): boolean {
    const before = this.#view;
    this.#view = view;
    if (before !== undefined && before.lastHandshake !== view.lastHandshake) this.#trustedAt = now;
    if (this.direct) {
      if (!this.#confirms) this.#attempt = undefined;
      this.#pause = FIRST_PAUSE;
      this.#ways = 0;
      this.#nextAt = undefined;
    } else this.#nextAt ??= after(now, PATIENCE);
    const changed = this.#said !== this.direct;
    this.#said = this.direct;
    return changed;
  }

  /** Probes do not come through, and the packets go directly.  Whether that is news. */
  doubt(now: Instant): boolean {
    const young = this.#trustedAt !== undefined && since(this.#trustedAt, now) < GRACE;
    if (young || !this.direct) return false;
    this.#doubted = { handshake: this.#view?.lastHandshake };
    this.#nextAt = now;
    return true;
  }

  /** Probes come through directly, or a check was answered where WireGuard has a young session. */
  trust(now: Instant): void {
    this.#doubted = undefined;
    this.#trustedAt = now;
  }

  own(end: OwnEnd, now: Instant): boolean {
    if (JSON.stringify(end) === JSON.stringify(this.#own)) return false;
    const moved = end.candidates.length > 0 && isLost(this.#places, end.candidates);
    if (end.candidates.length > 0) this.#places = end.candidates;
    if (moved) this.#confirmAt = after(now, SOON);
    const behaves = end.mapping !== this.#own.mapping || end.step !== this.#own.step;
    const counts = !behaves && isHard(end.mapping) && samePlaces(this.#own.candidates, end.candidates);
    this.#own = end;
    // A hard gateway has another port for whoever asks: that is no news to go by.
    if (counts) return true;
    // What is under way goes by what is not so.
    if (behaves) this.#attempt = undefined;
    this.#anew(now);
    return true;
  }

  /** Whether an answer is due at once: they have begun, and need to know where we are. */
  heard(theirs: OfferedTunnel, now: Instant): boolean {
    const before = this.#theirs;
    this.#theirs = theirs;
    this.#heardAt = now;
    const moved = JSON.stringify(before?.candidates) !== JSON.stringify(theirs.candidates);
    if (before !== undefined && (isLost(before.candidates, theirs.candidates) || (before.direct && !theirs.direct)))
      this.#theyMoved = true;
    // Offers come in their order; one that counts from the beginning again has been restarted.
    const begins = theirs.attempt !== this.#followed && theirs.attempt > 0;
    this.#followed = theirs.attempt;
    if (!begins) {
      if (moved) this.#anew(now);
      return before?.direct !== theirs.direct;
    }
    if (!this.direct || this.#theyMoved) this.#begin(now);
    this.#theyMoved = false;
    return true;
  }

  /** A way that was found, or that an attempt of ours begins: then the other end has to hear of it. */
  wake(now: Instant): { readonly way?: Way; readonly begun?: boolean; readonly failed?: boolean } {
    const result = this.#attempt?.result;
    if (result !== undefined) {
      this.#attempt = undefined;
      const failed = result === "failed";
      // A second way within one silence: checks pass here, and WireGuard does not.
      const patient = failed || this.#ways++ > 0;
      this.#nextAt = after(now, patient ? this.#pause : HANDSHAKE);
      if (patient) this.#pause = ms(Math.min(this.#pause * 2, LONGEST_PAUSE));
      // The session is as good as it was; where it leads to is known again.
      if (!failed && this.#view?.direct === true) this.trust(now);
      return failed ? { failed } : { way: result };
    }
    if (this.#attempt !== undefined) return {};
    if (this.#confirmAt !== undefined && now >= this.#confirmAt) {
      this.#confirmAt = undefined;
      if (this.#canMeet() && this.#begin(now)) {
        this.#number++;
        return { begun: true };
      }
    }
    if (this.direct || this.#nextAt === undefined || now < this.#nextAt) return {};
    if (!this.#canMeet()) {
      this.#nextAt = after(now, this.#pause);
      return {};
    }
    if (!this.#begin(now)) {
      this.#nextAt = after(now, this.#pause);
      return {};
    }
    this.#number++;
    return { begun: true };
  }

  /** Who should carry the packets now. */
  carriage(now: Instant): string {
    const view = this.#view;
    if (view?.relay === undefined) return "direct";
    const silent = this.#heardAt === undefined || since(this.#heardAt, now) > SILENT;
    const bothDirect = this.direct && (silent || this.#theirs?.direct === true);
    if (bothDirect) return "direct";
    return view.relay.works ? view.relay.site : view.via;
  }

  offer(): OwnEnd & { readonly attempt: number; readonly direct: boolean } {
    return { ...this.#own, attempt: this.#number, direct: this.direct };
  }

  /** Something is different from when the last attempt failed: the next one need not wait. */
  #anew(now: Instant): void {
    this.#pause = FIRST_PAUSE;
    if (!this.direct && this.#attempt === undefined) this.#nextAt = after(now, SOON);
  }

  #begin(now: Instant): boolean {
    const theirs = this.#theirs;
    if (theirs === undefined || this.#view === undefined) return false;
    const { mapping, step, candidates } = theirs;
    const about = JSON.stringify([mapping, step, candidates]);
    // Both began at the same time: ports that are open already would be opened for nothing.
    const young = this.#attemptAt !== undefined && since(this.#attemptAt, now) < YOUNG;
    if (this.#attempt !== undefined && young && about === this.#attemptFor) return true;
    if (!this.#mayBegin(now)) return false;
    this.#attemptAt = now;
    this.#attemptFor = about;
    this.#confirms = this.direct;
    const { listenPort, mayMove, endpoint: current } = this.#view;
    const [own, random, taken] = [this.#own, this.#random, this.#taken];
    const spec = {
      localPort: listenPort,
      own,
      theirs,
      random,
      mayMove: mayMove !== false,
      taken,
      leaps: this.#leaps,
      current,
    };
    this.#attempt = new Attempt(spec, now);
    return true;
  }

  #mayBegin(now: Instant): boolean {
    const passed = since(this.#leftAt ?? now, now);
    this.#left = Math.min(BURST, this.#left + passed / REFILL);
    this.#leftAt = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** Two ends that are both hard, and count by no rule, do not find each other. */
  #canMeet(): boolean {
    if (this.#theirs === undefined || this.#theirs.candidates.length === 0) return false;
    const inside = this.#theirs.candidates.some(({ kind }) => kind !== "mapped");
    const hopeless = isHard(this.#own.mapping) && isHard(this.#theirs.mapping);
    return inside || !hopeless || (this.#own.step !== undefined && this.#theirs.step !== undefined);
  }
}

/** Whether somebody who was at these places is not at one of them any more; behind a gateway another port is the same place. */
function isLost(before: readonly OfferedCandidate[], now: readonly OfferedCandidate[]): boolean {
  const places = new Set(now.map(placeOf));
  return before.some((each) => !places.has(placeOf(each)));
}
function samePlaces(before: readonly OfferedCandidate[], now: readonly OfferedCandidate[]): boolean {
  return !isLost(before, now) && !isLost(now, before);
}
function placeOf({ at, kind }: OfferedCandidate): string {
  return kind === "mapped" ? formatIp(at.ip) : formatEndpoint(at);
}

/** WireGuard's own first calls have their chance before. */
const PATIENCE = seconds(2);
const SOON = ms(200);
/** So long after a handshake nothing is doubted: probes need their time to come through again. */
const GRACE = seconds(5);
const HANDSHAKE = seconds(5);
const FIRST_PAUSE = seconds(3);
const LONGEST_PAUSE = seconds(600);
const SILENT = seconds(60);
const YOUNG = seconds(2);
const BURST = 8;
const REFILL = seconds(30);
