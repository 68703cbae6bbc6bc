/**
 * One tunnel to one site, from the side of its direct way: when to look for it and when to give up for a while, and who
 * carries the packets meanwhile.  Both ends hear of an attempt and begin at the same time.  Sans-IO.
 *
 * Carriage is decided by both ends alike, or one would refuse what the other sends (WireGuard's cryptokey routing): direct
 * when each has said that it has a handshake, by the relay otherwise.
 */
import { after, type Instant, type Ms, ms, seconds, since } from "../../base/unit.ts";
import type { Mapping } from "../../netstack/stun/plan.ts";
import { Attempt, isHard, type Way } from "./attempt.ts";
import type { OfferedCandidate, OfferedTunnel } from "./offer.ts";

export interface MeetingView {
  /** Our end has a direct handshake. */
  readonly direct: boolean;
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
  /** Ours, and the last one of theirs that was followed. */
  #number = 0;
  #followed = 0;
  #nextAt: Instant | undefined;
  #pause: Ms = FIRST_PAUSE;
  readonly #random: () => number;
  readonly #taken: (port: number) => boolean;

  /** `taken`: ports of this host that are not free. */
  constructor(random: () => number, taken: (port: number) => boolean = () => false) {
    this.#random = random;
    this.#taken = taken;
  }

  get attempt(): Attempt | undefined {
    return this.#attempt;
  }
  get number(): number {
    return this.#number;
  }
  get direct(): boolean {
    return this.#view?.direct === true;
  }
  /** How the other end's gateway maps, by its own word; undefined = it has said nothing. */
  get theirMapping(): Mapping | undefined {
    return this.#theirs?.mapping;
  }
  /** When `wake` has something to decide. */
  get due(): Instant | undefined {
    return this.#attempt?.due ?? (this.direct ? undefined : this.#nextAt);
  }

  /** Whether the other end must hear of what changed. */
  look(view: MeetingView, now: Instant): boolean {
    const before = this.#view;
    this.#view = view;
    if (view.direct) {
      this.#attempt = undefined;
      this.#pause = FIRST_PAUSE;
      this.#ways = 0;
      this.#nextAt = undefined;
    } else this.#nextAt ??= after(now, PATIENCE);
    return before?.direct !== view.direct;
  }

  own(end: OwnEnd, now: Instant): boolean {
    if (JSON.stringify(end) === JSON.stringify(this.#own)) return false;
    const behaves = end.mapping !== this.#own.mapping || end.step !== this.#own.step;
    this.#own = end;
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
    // Offers come in their order; one that counts from the beginning again has been restarted.
    const begins = theirs.attempt !== this.#followed && theirs.attempt > 0;
    this.#followed = theirs.attempt;
    if (!begins) {
      if (moved) this.#anew(now);
      return before?.direct !== theirs.direct;
    }
    if (!this.direct) this.#begin(now);
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
      return failed ? { failed } : { way: result };
    }
    if (this.#attempt !== undefined || this.direct || this.#nextAt === undefined || now < this.#nextAt) return {};
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
    const bothDirect = view.direct && (silent || this.#theirs?.direct === true);
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
    const { listenPort, mayMove } = this.#view;
    const [own, random, taken] = [this.#own, this.#random, this.#taken];
    const spec = { localPort: listenPort, own, theirs, random, mayMove: mayMove !== false, taken };
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

/** WireGuard's own first calls have their chance before. */
const PATIENCE = seconds(2);
const SOON = ms(200);
const HANDSHAKE = seconds(5);
const FIRST_PAUSE = seconds(10);
const LONGEST_PAUSE = seconds(600);
const SILENT = seconds(60);
const YOUNG = seconds(2);
const BURST = 8;
const REFILL = seconds(30);
