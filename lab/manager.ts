/** A daemon under a service manager in small (programs/manager.ts) on a host of a lab. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "./host.ts";
import type { Running } from "./process.ts";

export interface ManagerEvent {
  readonly event: "begun" | "ready" | "ended" | "stopped" | "watchdog";
  /** How often the daemon was begun. */
  readonly starts: number;
  /** Of `begun`. */
  readonly pid?: number;
  readonly passed?: readonly string[];
  /** Of `ready`: milliseconds since it was begun. */
  readonly after?: number;
  readonly status?: string;
  readonly how?: string | number;
}

export class Manager implements AsyncDisposable {
  readonly events: ManagerEvent[] = [];
  /** What the daemon wrote. */
  readonly lines: string[] = [];
  readonly #running: Running;
  readonly #host: Host;
  #waiting: (() => void)[] = [];

  /** `program`: the daemon's command line. */
  constructor(host: Host, folder: string, program: readonly string[]) {
    this.#host = host;
    const directory = join(folder, "manager");
    mkdirSync(directory, { recursive: true });
    this.#running = host.node("lab/programs/manager.ts", [directory, ...program], {
      line: (line) => {
        if (line.startsWith('{"starts":')) this.events.push(JSON.parse(line) as ManagerEvent);
        else if (this.lines.push(line) > MOST_LINES) this.lines.shift();
        for (const wake of this.#waiting.splice(0)) wake();
      },
    });
    void this.#running.finished.then(
      () => this.#wake(),
      () => this.#wake(),
    );
  }

  get starts(): number {
    return this.events.filter(({ event }) => event === "begun").length;
  }
  /** The manager itself. */
  get running(): Running {
    return this.#running;
  }
  /** Of the daemon that was begun last. */
  get pid(): number {
    return this.events.findLast(({ event }) => event === "begun")?.pid ?? 0;
  }

  /** Resolves when the daemon that was begun as number `start` is ready. */
  ready(start: number): Promise<ManagerEvent> {
    return this.#event(`ready ${start}`, ({ event, starts }) => event === "ready" && starts === start);
  }
  /** Another control, asked for; resolves when it is ready. */
  async restart(): Promise<ManagerEvent> {
    const next = this.starts + 1;
    this.#running.write("restart\n");
    return await this.ready(next);
  }
  /** kill -9 of control; resolves when the next one is ready. */
  async crash(): Promise<ManagerEvent> {
    const next = this.starts + 1;
    this.#running.write("kill\n");
    return await this.ready(next);
  }
  /** What the next start runs. */
  program(...command: readonly string[]): void {
    this.#running.write(`program ${command.join(" ")}\n`);
  }
  async stop(): Promise<void> {
    this.#running.write("stop\n");
    await this.#event("stopped", ({ event }) => event === "stopped");
  }
  /** The first line of the daemon's log, old or new, that matches. */
  logged(pattern: RegExp): Promise<string> {
    return this.#until(`a line that matches ${pattern.source}`, () => this.lines.find((line) => pattern.test(line)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    // Children of a daemon that was started anew are nobody's descendants.
    this.#host.signalAll("SIGKILL");
  }

  #event(what: string, wanted: (event: ManagerEvent) => boolean): Promise<ManagerEvent> {
    return this.#until(what, () => this.events.find(wanted));
  }
  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    let late = false;
    const alarm = setTimeout(() => {
      late = true;
      this.#wake();
    }, PATIENCE);
    using _alarm = { [Symbol.dispose]: () => clearTimeout(alarm) };
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (late) throw this.#missing(what);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
  #missing(what: string): Error {
    const events = this.events.slice(-10).map((each) => JSON.stringify(each));
    return new Error(`not within ${PATIENCE} ms: ${what}; ${events.join("\n")}\n${this.lines.slice(-40).join("\n")}`);
  }
  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const MOST_LINES = 20_000;
/** Milliseconds. */
const PATIENCE = 60_000;
