/** Questions to a process that wait for their answers; none waits for ever. */
import type { Clock } from "../../base/clock.ts";
import { after, seconds } from "../../base/unit.ts";

export class Questions<Question, Answer> {
  readonly #clock: Clock;
  readonly #tell: (n: number, question: Question) => boolean;
  readonly #open = new Map<number, (answer: Answer | undefined) => void>();
  #last = 0;

  constructor(clock: Clock, tell: (n: number, question: Question) => boolean) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** undefined: nobody answers. */
  ask(question: Question): Promise<Answer | undefined> {
    const n = ++this.#last;
    return new Promise((resolve) => {
      if (!this.#tell(n, question)) return resolve(undefined);
      const alarm = this.#clock.wakeAt(after(this.#clock.now(), PATIENCE), () => this.answered(n, undefined));
      this.#open.set(n, (answer) => {
        alarm[Symbol.dispose]();
        resolve(answer);
      });
    });
  }
  answered(n: number, answer: Answer | undefined): void {
    const waiting = this.#open.get(n);
    this.#open.delete(n);
    waiting?.(answer);
  }
  /** The process is gone. */
  ended(): void {
    for (const n of this.#open.keys()) this.answered(n, undefined);
  }
}

const PATIENCE = seconds(10);
