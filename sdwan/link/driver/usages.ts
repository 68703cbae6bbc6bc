/**
 * Usage of links by name, kept in a file so that neither a restart of ours nor one of the host loses count: the kernel's
 * counters go on without us, and what they said last is in the file, with the boot that they belong to.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { count, periodOf, type Usage } from "../usage.ts";

export class Usages {
  readonly #file: string | undefined;
  readonly #boot: string;
  readonly #usages: Map<string, Usage>;
  readonly #warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  #dirty = false;

  /** Without a file nothing is kept.  One that cannot be read as ours is put aside: links must work without their past. */
  constructor(file: string | undefined, warn: (name: string, fields: Readonly<Record<string, unknown>>) => void) {
    this.#file = file;
    this.#warn = warn;
    this.#boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    this.#usages = new Map(file === undefined ? [] : this.#read(file));
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
  }

  save(): void {
    if (this.#file === undefined || !this.#dirty) return;
    const links = Object.fromEntries(this.#usages);
    this.#dirty = false;
    try {
      write(this.#file, JSON.stringify({ version: VERSION, links }));
    } catch (cause) {
      // What cannot be kept is still counted; the next change tries again.
      this.#warn("wan.usage-not-kept", { file: this.#file, why: String(cause), level: "warn" });
    }
  }

  #read(file: string): readonly (readonly [string, Usage])[] {
    try {
      return decode(readFileSync(file, "utf8"));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
      const aside = `${file}.unreadable`;
      renameSync(file, aside);
      this.#warn("wan.usage-unreadable", { file, aside, why: String(cause), level: "warn" });
      return [];
    }
  }
}

function decode(text: string): readonly (readonly [string, Usage])[] {
  const { version, links } = JSON.parse(text) as { readonly version: unknown; readonly links: Record<string, unknown> };
  if (version !== VERSION) throw new TypeError(`version ${String(version)}`);
  return Object.entries(links).map(([name, usage]) => [name, usageOf(usage)]);
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
