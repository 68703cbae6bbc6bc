/**
 * Usage of links by name, kept in a file so that neither a restart of ours nor one of the host loses count: the kernel's
 * counters go on without us, and what they said last is in the file, with the boot that they belong to.  What was
 * measured of their bandwidth is beside it: a restart must not change what is chosen by it.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { count, periodOf, type Usage } from "../usage.ts";

export class Usages {
  readonly #file: string | undefined;
  readonly #boot: string;
  readonly #usages = new Map<string, Usage>();
  readonly #warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly #measured = new Map<string, Measured>();
  #dirty = false;

  /** Without a file nothing is kept.  One that cannot be read as ours is put aside: links must work without their past. */
  constructor(file: string | undefined, warn: (name: string, fields: Readonly<Record<string, unknown>>) => void) {
    this.#file = file;
    this.#warn = warn;
    this.#boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    if (file !== undefined) this.#read(file);
  }

  /** Octets of the period that `wall` is in. */
  count(link: string, ifindex: number, octets: number, resetDay: number, wall: number): number {
    const at = new Date(wall);
    const day = { year: at.getFullYear(), month: at.getMonth() + 1, day: at.getDate() };
    const before = this.#usages.get(link);
    const counter = `${this.#boot} ${ifindex}`;
    const now = count(before, { octets, counter }, periodOf(day, resetDay));
    if (JSON.stringify(now) !== JSON.stringify(before)) this.#dirty = true;
    this.#usages.set(link, now);
    return now.octets;
  }

  measured(link: string, bandwidth: Measured): void {
    this.#measured.set(link, bandwidth);
    this.#dirty = true;
  }
  bandwidthOf(link: string): Measured | undefined {
    return this.#measured.get(link);
  }

  usedBy(link: string): number {
    return this.#usages.get(link)?.octets ?? 0;
  }
  /** Links that are configured no more. */
  keep(links: readonly string[]): void {
    for (const name of this.#usages.keys()) {
      if (links.includes(name)) continue;
      this.#usages.delete(name);
      this.#dirty = true;
    }
    for (const name of this.#measured.keys()) if (!links.includes(name)) this.#measured.delete(name);
  }

  save(): void {
    if (this.#file === undefined || !this.#dirty) return;
    const links = Object.fromEntries(this.#usages);
    const bandwidth = Object.fromEntries(this.#measured);
    this.#dirty = false;
    try {
      write(this.#file, JSON.stringify({ version: VERSION, links, bandwidth }));
    } catch (cause) {
      // What cannot be kept is still counted; the next change tries again.
      this.#warn("wan.usage-not-kept", { file: this.#file, why: String(cause), level: "warn" });
    }
  }

  #read(file: string): void {
    try {
      const kept = decode(readFileSync(file, "utf8"));
      for (const [name, usage] of kept.usages) this.#usages.set(name, usage);
      for (const [name, bandwidth] of kept.measured) this.#measured.set(name, bandwidth);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
      const aside = `${file}.unreadable`;
      renameSync(file, aside);
      this.#warn("wan.usage-unreadable", { file, aside, why: String(cause), level: "warn" });
    }
  }
}

export interface Measured {
  readonly up: number;
  readonly down: number | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

interface Kept {
  readonly usages: readonly (readonly [string, Usage])[];
  readonly measured: readonly (readonly [string, Measured])[];
}

function decode(text: string): Kept {
  const kept = JSON.parse(text) as {
    readonly version: unknown;
    readonly links: Record<string, unknown>;
    readonly bandwidth: Record<string, unknown>;
  };
  if (kept.version !== VERSION) throw new TypeError(`version ${String(kept.version)}`);
  return {
    usages: Object.entries(kept.links).map(([name, each]) => [name, usageOf(each)]),
    measured: Object.entries(kept.bandwidth).map(([name, each]) => [name, measuredOf(each)]),
  };
}

function measuredOf(value: unknown): Measured {
  const { up, down, at } = value as Partial<Measured>;
  if (typeof up !== "number" || typeof at !== "number") throw new TypeError("bandwidth");
  return { up, down: typeof down === "number" ? down : undefined, at };
}

function usageOf(value: unknown): Usage {
  const { period, octets, counted, counter } = value as Partial<Usage>;
  if (typeof period !== "string" || typeof octets !== "number" || typeof counted !== "number")
    throw new TypeError("usage");
  if (typeof counter !== "string") throw new TypeError("usage");
  return { period, octets, counted, counter };
}

/** Whole or not at all, also when the power fails. */
function write(file: string, text: string): void {
  const next = `${file}.new`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
  const fd = openSync(next, "w", 0o640);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, file);
}

const VERSION = 1;
