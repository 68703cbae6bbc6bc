/**
 * What is remembered of links, by name, in a file, so that neither a restart of ours nor one of the host changes anything:
 * what they carried (the kernel's counters go on without us; what they said last is kept with the boot that they belong
 * to), what was measured of their bandwidth, how large a packet they take, and since when they are what they are.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { count, periodOf, type Usage } from "../usage.ts";

export interface Measured {
  readonly up: number;
  readonly down: number | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export class Memory {
  readonly #file: string | undefined;
  readonly #warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly #boot: string;
  readonly #links = new Map<string, Remembered>();
  #dirty = false;

  /** Without a file nothing is kept.  One that cannot be read as ours is put aside: links must work without their past. */
  constructor(file: string | undefined, warn: (name: string, fields: Readonly<Record<string, unknown>>) => void) {
    this.#file = file;
    this.#warn = warn;
    this.#boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    if (file !== undefined) this.#read(file);
  }

  /** Octets that the counter of the link's interface says now; they belong to the period that `wall` is in. */
  count(link: string, ifindex: number, octets: number, resetDay: number, wall: number): void {
    const at = new Date(wall);
    const day = { year: at.getFullYear(), month: at.getMonth() + 1, day: at.getDate() };
    const counter = `${this.#boot} ${ifindex}`;
    const before = this.#of(link);
    this.#set(link, { ...before, usage: count(before.usage, { octets, counter }, periodOf(day, resetDay)) });
  }
  usedBy(link: string): number {
    return this.#of(link).usage?.octets ?? 0;
  }

  measured(link: string, bandwidth: Measured): void {
    this.#set(link, { ...this.#of(link), bandwidth });
    this.save();
  }
  bandwidthOf(link: string): Measured | undefined {
    return this.#of(link).bandwidth;
  }

  /** Since when it is what it is, if an earlier life of the same boot knew it so. */
  sinceOf(link: string, state: string): number | undefined {
    const { standing } = this.#of(link);
    return standing?.state === state && standing.boot === this.#boot ? standing.since : undefined;
  }
  stands(link: string, state: string, since: number): void {
    this.#set(link, { ...this.#of(link), standing: { state, since, boot: this.#boot } });
    this.save();
  }

  /** Of the link, and by target. */
  mtus(link: string, mtu: number | undefined, byTarget: Readonly<Record<string, number>>): void {
    this.#set(link, { ...this.#of(link), mtu, byTarget });
    this.save();
  }
  mtuOf(link: string, target?: string): number | undefined {
    const { mtu, byTarget } = this.#of(link);
    return target === undefined ? mtu : byTarget?.[target];
  }

  /** The others are configured no more. */
  keep(links: readonly string[]): void {
    for (const name of this.#links.keys()) {
      if (links.includes(name)) continue;
      this.#links.delete(name);
      this.#dirty = true;
    }
  }

  save(): void {
    if (this.#file === undefined || !this.#dirty) return;
    this.#dirty = false;
    try {
      write(this.#file, JSON.stringify({ version: VERSION, links: Object.fromEntries(this.#links) }));
    } catch (cause) {
      // It is known still; the next change tries again.
      this.#warn("wan.memory-not-kept", { file: this.#file, why: String(cause), level: "warn" });
    }
  }

  #of(link: string): Remembered {
    return this.#links.get(link) ?? {};
  }
  #set(link: string, next: Remembered): void {
    if (JSON.stringify(next) !== JSON.stringify(this.#links.get(link))) this.#dirty = true;
    this.#links.set(link, next);
  }

  #read(file: string): void {
    try {
      for (const [name, remembered] of decode(readFileSync(file, "utf8"))) this.#links.set(name, remembered);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
      const aside = `${file}.unreadable`;
      renameSync(file, aside);
      this.#warn("wan.memory-unreadable", { file, aside, why: String(cause), level: "warn" });
    }
  }
}

interface Standing {
  readonly state: string;
  readonly since: number;
  readonly boot: string;
}

interface Remembered {
  readonly standing?: Standing | undefined;
  readonly usage?: Usage | undefined;
  readonly bandwidth?: Measured | undefined;
  readonly mtu?: number | undefined;
  readonly byTarget?: Readonly<Record<string, number>> | undefined;
}

function decode(text: string): readonly (readonly [string, Remembered])[] {
  const { version, links } = JSON.parse(text) as { readonly version: unknown; readonly links: object };
  if (version !== VERSION) throw new TypeError(`version ${String(version)}`);
  return Object.entries(links).map(([name, value]: [string, Remembered]) => [name, rememberedOf(value)]);
}

function rememberedOf({ standing, usage, bandwidth, mtu, byTarget }: Remembered): Remembered {
  if (standing !== undefined && !(text(standing.state) && text(standing.boot) && number(standing.since)))
    throw new TypeError("standing");
  const { period, octets, counted, counter } = usage ?? {};
  if (usage !== undefined && !(text(period) && text(counter) && number(octets) && number(counted)))
    throw new TypeError("usage");
  if (bandwidth !== undefined && !(number(bandwidth.up) && number(bandwidth.at))) throw new TypeError("bandwidth");
  if (mtu !== undefined && !number(mtu)) throw new TypeError("mtu");
  if (byTarget !== undefined && !Object.values(byTarget).every(number)) throw new TypeError("mtu by target");
  return { standing, usage, bandwidth, mtu, byTarget };
}
function number(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}
function text(value: unknown): value is string {
  return typeof value === "string";
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
