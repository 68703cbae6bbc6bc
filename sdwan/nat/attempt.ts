/**
 * One attempt of two ends to meet: checks (STUN requests from the tunnel's own port) to every place where the other end
 * may be, at the same time from both sides, so that each NAT sees its own end speak first.  After RFC 8445's idea of
 * connectivity checks, without its roles.  Sans-IO; 6 seconds, then it has failed.
 *
 * A NAT whose mapping depends on the destination is "hard": the port that it will use is not known.  If it counts ports up,
 * the next ones are tried (prediction).  Two that count: each try of one end takes the next port there and names one of the
 * other's, so both must name each other in the same try.  How many ports others took meanwhile is not known; so one end
 * tries each next port and the other one every second: whatever the two shifts come to, s together, the tries number s + 1
 * of the latter meet.  If one does not count, and the other side is easy, the hard end opens many ports towards the easy
 * one, which tries ports at random until one of them is open (birthday): with 256 open ports, half of all attempts need
 * less than 180 tries.  Bounded, for a gateway's table of flows is a thing of its owner: 256 ports, 1,024 tries.
 *
 * The other end may lie about where it is, and a check may be an old one that a stranger says again: each place is sent
 * 30 checks at most, and a place that is known by a check alone a few.
 */
import { formatEndpoint } from "../../base/endpoint.ts";
import { after, earliest, type Instant, ms } from "../../base/unit.ts";
import type { StunAddress } from "../../netstack/stun/packet.ts";
import type { Mapping } from "../../netstack/stun/plan.ts";
import type { TunnelReport } from "../underlay-plan.ts";
import { MOST_STEP, type OfferedCandidate } from "./offer.ts";

export type Found = NonNullable<TunnelReport["found"]>;

export interface AttemptSpec {
  readonly localPort: number;
  readonly own: { readonly mapping: Mapping };
  readonly theirs: {
    readonly mapping: Mapping;
    readonly step: number | undefined;
    readonly candidates: readonly OfferedCandidate[];
  };
  /** In [0, 1). */
  readonly random: () => number;
  /** Where WireGuard calls the other end: kept, if it answers. */
  readonly current?: StunAddress | undefined;
  /** Of two ends that both count ports up, one names every second port. */
  readonly leaps?: boolean;
  /** false: the device must keep its port, since another peer would lose it; true by default. */
  readonly mayMove?: boolean;
  /** Ports of this host that are not free. */
  readonly taken?: (port: number) => boolean;
}

export interface Check {
  readonly to: StunAddress;
  readonly fromPort: number;
}

export interface Way {
  readonly endpoint: StunAddress;
  readonly localPort: number;
  readonly found: Found;
}

interface Target extends Check {
  readonly found: Found;
  /** Checks that it is sent yet. */
  left: number;
}

export class Attempt {
  readonly #spec: AttemptSpec;
  readonly #until: Instant;
  readonly #targets: Target[] = [];
  readonly #sprayFrom: readonly number[];
  readonly #guessAt: StunAddress | undefined;
  #guesses = 0;
  #rounds = 0;
  #strangers = 0;
  #roundAt: Instant;
  #sprayAt: Instant | undefined;
  #sprayed = 0;
  #guessAtTime: Instant | undefined;
  /** The best way so far, and when it is taken. */
  #way: Way | undefined;
  #takeAt: Instant | undefined;
  #result: Way | "failed" | undefined;

  constructor(spec: AttemptSpec, now: Instant) {
    this.#spec = spec;
    this.#until = after(now, DURATION);
    this.#roundAt = now;
    const { localPort, own, theirs } = spec;
    for (const { at, kind } of theirs.candidates.slice(0, MOST_CANDIDATES))
      this.#add({ to: at, fromPort: localPort, found: kind, left: MOST_CHECKS });
    const mapped = theirs.candidates.find(({ kind }) => kind === "mapped")?.at;
    const [hardHere, hardThere] = [isHard(own.mapping), isHard(theirs.mapping)];
    if (mapped !== undefined && theirs.step !== undefined && hardThere) {
      const leaps = hardHere && spec.leaps === true;
      for (let index = 1; index <= PREDICTED; index++) {
        const port = mapped.port + theirs.step * (leaps ? 2 * index - 1 : index);
        if (port > 0 && port < 65_536)
          this.#add({ to: { ip: mapped.ip, port }, fromPort: localPort, found: "predicted", left: MOST_CHECKS });
      }
    }
    const birthday = mapped !== undefined && theirs.step === undefined && hardHere !== hardThere;
    this.#sprayFrom =
      birthday && hardHere && spec.mayMove !== false ? portsAtRandom(OPENED, spec.random, spec.taken) : [];
    this.#sprayAt = this.#sprayFrom.length > 0 ? now : undefined;
    this.#guessAt = birthday && hardThere ? mapped : undefined;
    // The other end opens its ports first.
    this.#guessAtTime = this.#guessAt === undefined ? undefined : after(now, GUESS_AFTER);
  }

  get result(): Way | "failed" | undefined {
    return this.#result;
  }
  /** Ports that answers may come to. */
  get ports(): ReadonlySet<number> {
    return new Set([this.#spec.localPort, ...this.#sprayFrom]);
  }
  /** Places that a round of checks goes to. */
  get targets(): number {
    return this.#targets.length;
  }
  get due(): Instant | undefined {
    if (this.#result !== undefined) return undefined;
    return [this.#roundAt, this.#sprayAt, this.#guessAtTime, this.#takeAt].reduce<Instant | undefined>(
      (first, each) => earliest(first, each),
      this.#until,
    );
  }

  /** `slower`: than usual, where many attempts share a line. */
  wake(now: Instant, slower = 1): readonly Check[] {
    if (this.#result !== undefined) return [];
    if (this.#takeAt !== undefined && now >= this.#takeAt) this.#result = this.#way;
    else if (now >= this.#until) this.#result = this.#way ?? "failed";
    if (this.#result !== undefined) return [];
    const checks: Check[] = [];
    if (now >= this.#roundAt) {
      for (const target of this.#targets) if (target.left-- > 0) checks.push(target);
      this.#roundAt = after(now, ms((this.#rounds++ < EAGER_ROUNDS ? ROUND : LATE_ROUND) * slower));
    }
    if (this.#sprayAt !== undefined && now >= this.#sprayAt) checks.push(...this.#spray(now));
    if (this.#guessAtTime !== undefined && now >= this.#guessAtTime) checks.push(...this.#guess(now));
    return checks;
  }

  /** The other end answered a check of ours: this way works. */
  answered({ to, fromPort }: Check, now: Instant): void {
    if (this.#result !== undefined) return;
    const known = this.#targets.find((each) => same(each, { to, fromPort }));
    const way: Way = { endpoint: to, localPort: fromPort, found: known?.found ?? this.#guessedOf(fromPort) };
    if (this.#way !== undefined && this.#rank(this.#way) <= this.#rank(way)) return;
    this.#way = way;
    // A better way may answer a moment later.
    const isBest = this.#targets.every(({ to: endpoint, found }) => this.#rank({ endpoint, found }) >= this.#rank(way));
    this.#takeAt = after(now, isBest ? ms(0) : WAIT_FOR_BETTER);
  }

  /** The other end's check reached us: where it came from is worth a check at once. */
  asked(from: StunAddress, port: number, now: Instant): void {
    if (this.#result !== undefined) return;
    const drawn = this.#sprayFrom.includes(port) || this.#guessAt?.ip === from.ip;
    const { mapping, step } = this.#spec.theirs;
    const found = drawn ? "birthday" : isHard(mapping) && step !== undefined ? "predicted" : "mapped";
    const isStranger = !this.#spec.theirs.candidates.some(({ at }) => at.ip === from.ip);
    if (isStranger && this.#strangers >= MOST_STRANGERS) return;
    const left = isStranger ? STRANGER_CHECKS : MOST_CHECKS;
    if (!this.#add({ to: from, fromPort: port, found, left })) return;
    if (isStranger) this.#strangers++;
    this.#roundAt = now;
  }

  #add(target: Target): boolean {
    if (this.#targets.length >= MOST_TARGETS || this.#targets.some((each) => same(each, target))) return false;
    this.#targets.push(target);
    return true;
  }

  #spray(now: Instant): readonly Check[] {
    const to = this.#spec.theirs.candidates.find(({ kind }) => kind === "mapped")?.at;
    if (to === undefined) throw new TypeError("nowhere to spray to");
    const some = this.#sprayFrom.slice(this.#sprayed, this.#sprayed + SPRAY_TOGETHER);
    this.#sprayed += some.length;
    const over = this.#sprayed >= this.#sprayFrom.length;
    if (over) this.#sprayed = 0;
    this.#sprayAt = after(now, over ? SPRAY_AGAIN : TICK);
    return some.map((fromPort) => ({ to, fromPort }));
  }

  #guess(now: Instant): readonly Check[] {
    const ip = this.#guessAt?.ip;
    if (ip === undefined || this.#guesses >= MOST_GUESSES) {
      this.#guessAtTime = undefined;
      return [];
    }
    this.#guesses += GUESSES_TOGETHER;
    this.#guessAtTime = after(now, TICK);
    const ports = portsAtRandom(GUESSES_TOGETHER, this.#spec.random);
    return ports.map((port) => ({ to: { ip, port }, fromPort: this.#spec.localPort }));
  }

  /** What is called already is changed for nothing; else what an operator said, and what is near. */
  #rank({ endpoint, found }: Pick<Way, "endpoint" | "found">): number {
    const { current } = this.#spec;
    return current?.ip === endpoint.ip && current.port === endpoint.port ? -1 : RANK[found];
  }

  #guessedOf(fromPort: number): Found {
    return fromPort !== this.#spec.localPort || this.#guessAt !== undefined ? "birthday" : "mapped";
  }
}

export function isHard(mapping: Mapping): boolean {
  return mapping === "address-dependent" || mapping === "address-and-port-dependent";
}

/** By how much outside ports go up (or down) from one to the next; others may have taken some between. */
export function stepOf(ports: readonly number[]): number | undefined {
  const gaps = ports.slice(1).map((port, index) => port - (ports[index] ?? 0));
  const [first] = gaps;
  if (first === undefined || gaps.some((gap) => gap === 0 || gap > 0 !== first > 0 || Math.abs(gap) > MOST_GAP))
    return undefined;
  const step = gaps.map(Math.abs).reduce(divisor);
  return step > MOST_STEP ? undefined : step * Math.sign(first);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

function same(a: Check, b: Check): boolean {
  return a.fromPort === b.fromPort && formatEndpoint(a.to) === formatEndpoint(b.to);
}

function portsAtRandom(
  count: number,
  random: () => number,
  taken: (port: number) => boolean = () => false,
): readonly number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(random() * (65_536 - FIRST_PORT));
    if (!taken(port)) ports.add(port);
  }
  return [...ports];
}

const RANK: Readonly<Record<Found, number>> = {
  configured: 0,
  host: 1,
  mapped: 2,
  "called-us": 2,
  predicted: 3,
  birthday: 4,
};
const DURATION = ms(6000);
const ROUND = ms(100);
const LATE_ROUND = ms(400);
const EAGER_ROUNDS = 20;
const MOST_CHECKS = 30;
const MOST_STRANGERS = 4;
const STRANGER_CHECKS = 8;
const MOST_CANDIDATES = 8;
const TICK = ms(10);
const WAIT_FOR_BETTER = ms(50);
/** Other devices of the link look for ways at the same time, and take ports of the same count. */
const PREDICTED = 40;
/** More ports than are taken by others between two questions to STUN servers; further apart is chance. */
const MOST_GAP = 64;
const OPENED = 256;
const SPRAY_TOGETHER = 8;
const SPRAY_AGAIN = ms(2000);
const GUESS_AFTER = ms(500);
const GUESSES_TOGETHER = 5;
const MOST_GUESSES = 1024;
const MOST_TARGETS = 48;
const FIRST_PORT = 1024;
