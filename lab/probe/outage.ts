/**
 * From probes to outages.  A probe is good when its answer came within `late` of its sending; an outage lasts from the
 * first probe that was not good to the sending of the next good one.  So a prober that was itself held up sees none, and
 * packets that a neighbour's queue delivered late do not hide one.
 */
export interface Probe {
  /** Milliseconds since 1970, with fractions. */
  readonly sentAt: number;
  /** undefined: never, or with an error. */
  readonly answeredAt: number | undefined;
}

export interface Outage {
  readonly from: number;
  /** undefined: it lasts. */
  readonly to: number | undefined;
  readonly probes: number;
}

export class Outages {
  readonly #late: number;
  #open: Outage | undefined;
  readonly #ended: Outage[] = [];

  constructor(late: number) {
    this.#late = late;
  }

  /** Probes come in the order in which they were sent, each when its fate is known. */
  add(probe: Probe): void {
    const good = probe.answeredAt !== undefined && probe.answeredAt - probe.sentAt <= this.#late;
    if (!good)
      this.#open = { from: this.#open?.from ?? probe.sentAt, to: undefined, probes: (this.#open?.probes ?? 0) + 1 };
    else if (this.#open !== undefined) {
      this.#ended.push({ ...this.#open, to: probe.sentAt });
      this.#open = undefined;
    }
  }

  get current(): Outage | undefined {
    return this.#open;
  }
  /** The most recent ones that ended, oldest first. */
  get ended(): readonly Outage[] {
    return this.#ended;
  }
  get worst(): Outage | undefined {
    return this.#ended.reduce<Outage | undefined>(
      (worst, each) => (worst === undefined || lengthOf(each) > lengthOf(worst) ? each : worst),
      undefined,
    );
  }
}

export function outagesOf(probes: readonly Probe[], late: number): readonly Outage[] {
  const outages = new Outages(late);
  for (const probe of probes) outages.add(probe);
  return outages.current === undefined ? outages.ended : [...outages.ended, outages.current];
}

/** Milliseconds; one that lasts has no length yet. */
export function lengthOf(outage: Outage): number {
  return outage.to === undefined ? Number.POSITIVE_INFINITY : outage.to - outage.from;
}
