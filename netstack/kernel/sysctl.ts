/**
 * Kernel settings under /proc/sys, with the way back.  A setting is named by its path ("net/ipv4/conf/eth0.5/arp_ignore"),
 * because names of interfaces have dots in them.  Network settings are those of the calling thread's namespace.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Fault } from "../../base/fault.ts";

/** undefined when this kernel has no such setting (or the interface is gone). */
export function readSysctl(name: string): string | undefined {
  const path = pathOf(name);
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new Fault("FILE", { path, what: "kernel setting" }, cause);
  }
}

/** Writes and reads back: some settings are clamped or ignored by the kernel without an error. */
export function writeSysctl(name: string, value: string): void {
  const path = pathOf(name);
  try {
    writeFileSync(path, value);
  } catch (cause) {
    throw new Fault("FILE", { path, what: "kernel setting", value }, cause);
  }
  const now = readSysctl(name);
  if (now !== spaced(value)) throw new Fault("FILE", { path, what: "kernel setting", value, kept: now });
}

interface Changed {
  readonly before: string;
  readonly ours: string;
}

/**
 * Remembers what settings were before it changed them.  With a file, that survives the process: the note is on disk
 * before the change is made, and a guard that is made over the same file goes on with it.
 */
export class SysctlGuard {
  readonly #file: string | undefined;
  readonly #changed: Map<string, Changed>;

  constructor(file?: string) {
    this.#file = file;
    this.#changed = new Map(file === undefined || !existsSync(file) ? [] : load(file));
  }

  /** Returns false when the setting does not exist here. */
  set(name: string, value: string): boolean {
    const before = readSysctl(name);
    if (before === undefined) return false;
    const ours = spaced(value);
    const known = this.#changed.get(name);
    if (known === undefined && before === ours) return true;
    if (known?.ours !== ours) {
      this.#changed.set(name, { before: known?.before ?? before, ours });
      this.#save();
    }
    if (before !== ours) writeSysctl(name, value);
    return true;
  }

  /** What it changed and has not put back, with the values from before. */
  changed(): ReadonlyMap<string, string> {
    return new Map([...this.#changed].map(([name, { before }]) => [name, before]));
  }

  /**
   * Puts everything back, or what `which` selects.  A setting that is not as we left it belongs to somebody else now and
   * is left alone; the names of those are returned.
   */
  restore(which: (name: string) => boolean = () => true): readonly string[] {
    const left: string[] = [];
    for (const [name, { before, ours }] of this.#changed) {
      if (!which(name)) continue;
      const now = readSysctl(name);
      if (now === ours) writeSysctl(name, before);
      else if (now !== undefined && now !== before) left.push(name);
      this.#changed.delete(name);
    }
    this.#save();
    return left;
  }

  /** Whole or not at all: a new file takes the place of the old one when it is on disk. */
  #save(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (this.#changed.size === 0) {
        rmSync(file, { force: true });
        return;
      }
      const draft = `${file}.new`;
      const fd = openSync(draft, "w", 0o600);
      try {
        writeFileSync(fd, `${JSON.stringify(Object.fromEntries(this.#changed), undefined, 2)}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(draft, file);
    } catch (cause) {
      throw new Fault("FILE", { path: file, what: "note of kernel settings" }, cause);
    }
  }
}

function load(file: string): readonly (readonly [string, Changed])[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    return Object.entries(parsed as Record<string, unknown>).map(([name, value]) => {
      const { before, ours } = value as Record<string, unknown>;
      if (typeof before !== "string" || typeof ours !== "string") throw new SyntaxError(`${name} has no values`);
      pathOf(name);
      return [name, { before, ours }] as const;
    });
  } catch (cause) {
    throw new Fault("FILE", { path: file, what: "note of kernel settings" }, cause);
  }
}

function pathOf(name: string): string {
  // An interface may be called anything but "." and "..", so those are what must not lead out of the tree.
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || name.includes("\0")) {
    throw new TypeError(`not a kernel setting: ${name}`);
  }
  return `/proc/sys/${name}`;
}

/** Settings of several values read back with tabs between them. */
function spaced(value: string): string {
  return value.trim().replaceAll(/\s+/g, "\t");
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}
