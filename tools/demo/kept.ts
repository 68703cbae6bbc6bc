/** A process that is started again some time after it ended. */
import type { Running } from "../../lab/process.ts";

export class Kept implements AsyncDisposable {
  readonly name: string;
  /** undefined: it ended, and starts again at `restartsAt`. */
  now: Running | undefined;
  restartsAt: number | undefined;
  lastEnd = "";
  readonly #pause: number;
  readonly #start: () => Running;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(name: string, pause: number, start: () => Running) {
    this.name = name;
    this.#pause = pause;
    this.#start = start;
    this.#begin();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    clearTimeout(this.#timer);
    await this.now?.[Symbol.asyncDispose]();
  }

  #begin(): void {
    const running = this.#start();
    this.now = running;
    this.restartsAt = undefined;
    running.finished.then(
      ({ code, signal, stderr }) => this.#ended(signal ?? `exit ${code}${causeIn(stderr)}`),
      (error: unknown) => this.#ended(String(error)),
    );
  }

  #ended(how: string): void {
    this.now = undefined;
    this.lastEnd = how;
    if (this.#over) return;
    this.restartsAt = Date.now() + this.#pause;
    this.#timer = setTimeout(() => this.#begin(), this.#pause);
  }
}

/** What a program that failed said last that is neither its log nor the path of an exception. */
function causeIn(stderr: string): string {
  const said = stderr.split("\n").filter((line) => /^\S/.test(line) && !/^(\{|Node\.js v|file:)/.test(line));
  const last = said.at(-1);
  return last === undefined ? "" : `: ${last}`;
}
