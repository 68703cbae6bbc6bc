/** The level of a figure and the noise around it, learnt window by window, and told apart from a change of level. */

/** Standard deviation of a figure around its level, whatever that does. */
export class Noise {
  /** Windows after which a figure is independent of what it was: noise is what differs over so many. */
  readonly #lag: number;
  readonly #past: number[] = [];
  #value: number;

  constructor(lag: number, atFirst: number) {
    this.#lag = lag;
    this.#value = atFirst;
  }

  get value(): number {
    return this.#value;
  }

  /**
   * A change of level is in `lag` differences only, and each counts for at most four times what is known (`least`, if that
   * is more): a step does not pass for noise, new noise is learnt within seconds.
   */
  observe(value: number, least: number): void {
    this.#past.push(value);
    if (this.#past.length <= this.#lag) return;
    const before = this.#past.shift() ?? value;
    const differs = Math.abs(value - before) / MEAN_DIFFERENCE;
    const counted = Math.min(differs, MOST_NEW * Math.max(this.#value, least));
    this.#value += (counted - this.#value) / (4 * this.#lag);
  }
}

/** A figure to compare paths by: steady while only noise moves it, new at once where its level is new. */
export class Level {
  readonly #noise: Noise;
  #mean = 0;
  #windows = 0;
  #last = 0;

  constructor(lag: number) {
    this.#noise = new Noise(lag, 0);
  }

  observe(value: number): void {
    this.#windows++;
    this.#mean += (value - this.#mean) / Math.min(this.#windows, STEADY);
    this.#noise.observe(value, this.#least);
    this.#last = value;
  }

  /** There is enough to compare it with others. */
  get isSettled(): boolean {
    return this.#windows >= SETTLED;
  }
  /** undefined: nothing was observed. */
  get value(): number | undefined {
    if (this.#windows === 0) return undefined;
    const noise = Math.max(this.#noise.value, this.#least);
    return Math.abs(this.#last - this.#mean) > NO_NOISE * noise ? this.#last : this.#mean;
  }

  get #least(): number {
    return LEAST_SHARE * Math.abs(this.#mean) + LEAST;
  }
}

/** E|x − y| of two independent normal values, in standard deviations. */
const MEAN_DIFFERENCE = 2 / Math.sqrt(Math.PI);
const MOST_NEW = 4;
/** Windows that a steady mean remembers: some ten seconds of them. */
const STEADY = 100;
const SETTLED = 30;
/** Standard deviations that are no chance any more. */
const NO_NOISE = 5;
const LEAST_SHARE = 0.02;
const LEAST = 0.1;
