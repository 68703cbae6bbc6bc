/**
 * Tells that configuration files may have changed: directories are watched (editors replace files by rename), bursts are
 * one call, and a directory that comes, goes or is replaced is followed through its parent.
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { after, earliest, type Instant, ms } from "../../base/unit.ts";

/** Quiet for so long: the burst is over … */
const SETTLE = ms(100);
/** … and a burst that never ends is looked at all the same. */
const LONGEST_BURST = ms(1_000);

export function watchDirectories(directories: readonly string[], clock: Clock, changed: () => void): Disposable {
  const burst = new Burst(clock, changed);
  const watches = directories.map((directory) => new Watch(directory, () => burst.add()));
  return {
    [Symbol.dispose]() {
      burst[Symbol.dispose]();
      for (const each of watches) each[Symbol.dispose]();
    },
  };
}

/** Debounces: calls `over` once a burst has settled. */
export class Burst implements Disposable {
  readonly #clock: Clock;
  readonly #over: () => void;
  #alarm: Disposable | undefined;
  #latest: Instant | undefined;

  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
  }
  add(): void {
    const now = this.#clock.now();
    this.#latest ??= after(now, LONGEST_BURST);
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = this.#clock.wakeAt(earliest(this.#latest, after(now, SETTLE)) ?? now, () => {
      this.#latest = undefined;
      this.#over();
    });
  }
  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]();
  }
}

class Watch implements Disposable {
  readonly #directory: string;
  readonly #changed: () => void;
  #inside: FSWatcher | undefined;
  #parent: FSWatcher | undefined;
  #inode: number | undefined;

  constructor(directory: string, changed: () => void) {
    this.#directory = directory;
    this.#changed = changed;
    this.#parent = open(dirname(directory), (name) => {
      if ((name === null || name === basename(directory)) && this.#attach()) changed();
    });
    this.#attach();
  }
  [Symbol.dispose](): void {
    this.#inside?.close();
    this.#parent?.close();
    this.#parent = undefined;
  }

  /** Watches what the path names now; says whether that is another directory than before. */
  #attach(): boolean {
    const inode = inodeOf(this.#directory);
    if (inode === this.#inode) return false;
    this.#inside?.close();
    this.#inode = inode;
    const changed = (name: string | null): void => {
      if (name === null || RELEVANT.test(name)) this.#changed();
    };
    this.#inside = inode === undefined ? undefined : open(this.#directory, changed);
    return true;
  }
}

/** What a loader reads; "..data" is the link that a mounted Kubernetes volume turns over. */
const RELEVANT = /^([^.].*\.ya?ml|\.\.data)$/;

/** undefined when there is nothing to watch. */
function open(directory: string, changed: (name: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_, name) => changed(name));
    // The directory went: its parent's watch reports what comes after it.
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function inodeOf(path: string): number | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true ? found.ino : undefined;
}
