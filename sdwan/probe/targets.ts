/**
 * Third parties that answer for a path: one of them is asked each time, all while in doubt, and the path lives while any
 * answers.  Their delays differ, so only one of them, the main one, makes figures; another takes its place when it has
 * been silent in so many rounds that others answered.
 */

export class Targets {
  readonly #count: number;
  #main = 0;
  /** Rounds that others answered and the main one did not, in a row. */
  #silent = 0;
  /** The newest round, and who answered it. */
  #round = -1;
  #answered = new Set<number>();

  constructor(count: number) {
    this.#count = count;
  }

  get main(): number {
    return this.#main;
  }

  /** Whom to ask. */
  ask(round: number, broad: boolean): readonly number[] {
    this.#close();
    this.#round = round;
    this.#answered = new Set();
    if (!broad) return [this.#main];
    const others = Array.from({ length: this.#count }, (_, index) => index).filter((index) => index !== this.#main);
    return [this.#main, ...others];
  }

  /** `main`: its delay is one of the figures; `changed`: from now on those of another target are. */
  answered(round: number, target: number): { readonly main: boolean; readonly changed: boolean } {
    if (round === this.#round) this.#answered.add(target);
    if (target === this.#main) return { main: true, changed: false };
    if (this.#silent < PATIENCE) return { main: false, changed: false };
    this.#main = target;
    this.#silent = 0;
    return { main: true, changed: true };
  }

  #close(): void {
    if (this.#answered.has(this.#main)) this.#silent = 0;
    else if (this.#answered.size > 0) this.#silent++;
  }
}

const PATIENCE = 3;
