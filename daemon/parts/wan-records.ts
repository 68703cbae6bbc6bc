/**
 * What was measured on every path, on disk for replays: a file of JSON lines for each hour, the last week of them.  Written
 * seldom and in one piece; what a crash loses is a few seconds of figures.
 */
import { appendFile, mkdir, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { after, seconds } from "../../base/unit.ts";
import { Recorder } from "../../sdwan/choose/record.ts";
import type { PathReport } from "../../sdwan/steer-plan.ts";
import type { Events } from "../events.ts";

export interface RecordParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
}

export class WanRecords {
  readonly #parts: RecordParts;
  readonly #recorder = new Recorder();
  #waiting: string[] = [];
  /** Hour of what waits. */
  #hour = 0;
  #due: Disposable | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Said once, until it works again. */
  #failed = false;

  constructor(parts: RecordParts) {
    this.#parts = parts;
  }

  add({ id, life, figures }: PathReport): void {
    const { clock, wall } = this.#parts;
    const at = wall();
    const line = this.#recorder.record({ path: id, at, life, figures });
    if (line === undefined) return;
    const hour = Math.floor(at / HOUR);
    if (hour !== this.#hour) void this.flush();
    this.#hour = hour;
    this.#waiting.push(line);
    this.#due ??= clock.wakeAt(after(clock.now(), WRITTEN_EVERY), () => void this.flush());
  }
  forget(path: string): void {
    this.#recorder.forget(path);
  }

  /** Resolves when all that was added is on disk, or could not be put there. */
  flush(): Promise<void> {
    this.#due?.[Symbol.dispose]();
    this.#due = undefined;
    const lines = this.#waiting;
    const hour = this.#hour;
    if (lines.length > 0) {
      this.#waiting = [];
      this.#writing = this.#writing.then(() => this.#write(hour, `${lines.join("\n")}\n`));
    }
    return this.#writing;
  }

  /** Files with what was measured since then, oldest first. */
  async files(since: number): Promise<readonly string[]> {
    await this.flush();
    const first = Math.floor(since / HOUR);
    return (await this.#all()).filter(({ hour }) => hour >= first).map(({ path }) => path);
  }

  async #write(hour: number, text: string): Promise<void> {
    const { directory, events } = this.#parts;
    try {
      await mkdir(directory, { recursive: true, mode: 0o750 });
      await appendFile(join(directory, nameOf(hour)), text, { mode: 0o640 });
      await this.#prune(hour);
      this.#failed = false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      // Nothing depends on it but what-if.
      if (!this.#failed) events.emit("wan.figures-not-saved", { directory, why: String(error) }, "warn");
      this.#failed = true;
    }
  }

  async #prune(hour: number): Promise<void> {
    const all = await this.#all();
    const sizes = await Promise.all(all.map(async ({ path }) => (await stat(path)).size));
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, each] of all.entries()) {
      if (each.hour > hour - KEPT_HOURS && total <= MOST_OCTETS) break;
      if (each.hour === hour) break;
      await unlink(each.path);
      total -= sizes[index] ?? 0;
    }
  }

  async #all(): Promise<readonly { readonly hour: number; readonly path: string }[]> {
    const { directory } = this.#parts;
    let names: readonly string[];
    try {
      names = await readdir(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return names
      .flatMap((name) => {
        const [, digits] = /^(\d+)\.jsonl$/.exec(name) ?? [];
        return digits === undefined ? [] : [{ hour: Number(digits), path: join(directory, name) }];
      })
      .sort((a, b) => a.hour - b.hour);
  }
}

function nameOf(hour: number): string {
  return `${hour}.jsonl`;
}

/** Milliseconds. */
const HOUR = 3_600_000;
const KEPT_HOURS = 7 * 24;
const MOST_OCTETS = 256 * 1024 * 1024;
const WRITTEN_EVERY = seconds(10);
