/**
 * Recorded figures on disk: files of lines in one directory, each begun when the one before has its share; the oldest go
 * when all together are larger than they may be.  Written behind, so that nobody waits for a disk; a crash costs seconds.
 * Control's, on Node's event loop.
 */
import { appendFile, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../base/clock.ts";
import { Fault } from "../../../base/fault.ts";
import { after, ms } from "../../../base/unit.ts";
import type { PathReport } from "../../steer-plan.ts";
import { decodeRecord, type Recorded, Recorder } from "../record.ts";

export interface FigureRingParts {
  readonly directory: string;
  /** Of all files together. */
  readonly mostOctets: number;
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** What is recorded is a help, no necessity: a full disk is told and survived. */
  readonly failed: (fault: Fault) => void;
}

export class FigureRing {
  readonly #parts: FigureRingParts;
  readonly #recorder = new Recorder();
  #lines: string[] = [];
  #file: { readonly name: string; octets: number } | undefined;
  #flushing: Disposable | undefined;
  /** One after the other: what is written stays in order. */
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: FigureRingParts) {
    this.#parts = parts;
  }

  record({ id, life, figures }: PathReport): void {
    const line = this.#recorder.record({ path: id, at: this.#parts.wall(), life, figures });
    if (line === undefined) return;
    this.#lines.push(line);
    const { clock } = this.#parts;
    this.#flushing ??= clock.wakeAt(after(clock.now(), FLUSH), () => {
      this.#flushing = undefined;
      void this.flush();
    });
  }

  /** Resolves when everything that was recorded before is in its file, or was lost and told. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(this.#lines.splice(0)));
    return this.#writing;
  }

  /** What was recorded since then, in the order of time; lines that cannot be read are counted and left out. */
  async read(since: number): Promise<{ readonly records: readonly Recorded[]; readonly unreadable: number }> {
    await this.flush();
    const names = await this.#files();
    const records: Recorded[] = [];
    let unreadable = 0;
    for (const [index, name] of names.entries()) {
      // The next one's beginning is its end.
      const next = names[index + 1];
      if (next !== undefined && beginOf(next) < since) continue;
      const text = await readFile(join(this.#parts.directory, name), "utf8");
      for (const line of text.split("\n")) {
        if (line === "") continue;
        const record = decodeRecord(line);
        if (!record.ok) unreadable++;
        else if (record.value.at >= since) records.push(record.value);
      }
    }
    return { records: records.toSorted((a, b) => a.at - b.at), unreadable };
  }

  /** The last lines are written. */
  async close(): Promise<void> {
    this.#flushing?.[Symbol.dispose]();
    this.#flushing = undefined;
    await this.flush();
  }

  async #write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const { directory, mostOctets, wall, failed } = this.#parts;
    const text = `${lines.join("\n")}\n`;
    try {
      if (this.#file === undefined || this.#file.octets >= mostOctets / FILES) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        this.#file = { name: `${PREFIX}${wall()}${SUFFIX}`, octets: 0 };
        await this.#makeRoom(mostOctets - mostOctets / FILES);
      }
      await appendFile(join(directory, this.#file.name), text, { mode: 0o600 });
      this.#file.octets += Buffer.byteLength(text);
    } catch (cause) {
      if (!isSystemError(cause)) throw cause;
      this.#file = undefined;
      failed(new Fault("FILE", { directory, lines: lines.length }, cause));
    }
  }

  async #makeRoom(most: number): Promise<void> {
    const names = await this.#files();
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.#parts.directory, name))).size));
    let all = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, name] of names.entries()) {
      if (all <= most) return;
      await rm(join(this.#parts.directory, name), { force: true });
      all -= sizes[index] ?? 0;
    }
  }

  /** Oldest first. */
  async #files(): Promise<readonly string[]> {
    try {
      const names = await readdir(this.#parts.directory);
      return names.filter((name) => Number.isFinite(beginOf(name))).toSorted((a, b) => beginOf(a) - beginOf(b));
    } catch (cause) {
      if (isSystemError(cause) && cause.code === "ENOENT") return [];
      throw cause;
    }
  }
}

function beginOf(name: string): number {
  const digits = new RegExp(`^${PREFIX}([0-9]+)\\${SUFFIX}$`).exec(name)?.[1];
  return digits === undefined ? Number.NaN : Number(digits);
}

function isSystemError(cause: unknown): cause is NodeJS.ErrnoException {
  return cause instanceof Error && "code" in cause && "syscall" in cause;
}

const PREFIX = "paths-";
const SUFFIX = ".jsonl";
const FLUSH = ms(5000);
/** Deleting the oldest costs so much of the memory. */
const FILES = 16;
