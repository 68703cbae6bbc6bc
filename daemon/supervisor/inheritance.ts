/**
 * Children that an earlier control started and that still run.  The service manager holds their doors
 * (netstack/kernel/channel.ts) in its file-descriptor store, sd_notify(3) FDSTORE, and passes them to each control that it
 * starts, sd_listen_fds(3).  What is known of a child stands in the name of its descriptor.  Imports nothing that takes time.
 */
import { readFileSync } from "node:fs";
import { VERSION } from "../../base/version.ts";
import * as libc from "../../netstack/kernel/libc.ts";
import type { Fd } from "../../netstack/kernel/loop.ts";

export interface Identity {
  /** "pulse", "routing", "wan", "dataplane/0" */
  readonly name: string;
  readonly pid: number;
  /** Start of the process, clock ticks since boot: with it, a process id is never another process. */
  readonly ticks: string;
  /** What its program understands: WORDS when it was started. */
  readonly words: number;
  readonly version: string;
  /** When it was started, milliseconds since the epoch. */
  readonly since: number;
}
export interface Inherited extends Identity {
  readonly door: Fd;
}

/** undefined: it has ended. */
export function identify(name: string, pid: number, since: number): Identity | undefined {
  const ticks = startTime(pid);
  return ticks === undefined ? undefined : { name, pid, ticks, words: WORDS, version: VERSION, since };
}

/** As a name in the store: no control character, no colon, at most 255 octets. */
export function storedName({ name, pid, ticks, words, version, since }: Identity): string {
  return [name, pid, ticks, words, since, version].join(",");
}

export function parseStoredName(text: string): Identity | undefined {
  const [name = "", pid, ticks = "", words, since, ...version] = text.split(",");
  const identity = {
    name,
    pid: Number(pid),
    ticks,
    words: Number(words),
    version: version.join(","),
    since: Number(since),
  };
  const numbers = [identity.pid, identity.words, identity.since, Number(ticks)];
  const right = NAME.test(name) && version.length > 0 && numbers.every((each) => Number.isSafeInteger(each));
  return right && identity.pid > 1 ? identity : undefined;
}

export class Inheritance {
  readonly #left: Inherited[];
  /** Names in the store of what is of no use: ended, or not understood. */
  readonly useless: readonly string[];
  /** Of all that were passed and run. */
  readonly pids: ReadonlySet<number>;

  constructor(passed: readonly Passed[]) {
    const left: Inherited[] = [];
    const useless: string[] = [];
    for (const { text, fd } of passed) {
      const identity = parseStoredName(text);
      if (identity !== undefined && identity.words === WORDS && isAlive(identity)) left.push({ ...identity, door: fd });
      else {
        // Who loses its door has nothing to wait for, and ends as if control had ended for good.
        libc.close(fd);
        useless.push(text);
      }
    }
    this.#left = left;
    this.useless = useless;
    this.pids = new Set(left.map(({ pid }) => pid));
  }

  has(name: string): boolean {
    return this.#left.some((each) => each.name === name);
  }
  /** The one of that name, once: its door is the caller's. */
  take(name: string): Inherited | undefined {
    const at = this.#left.findIndex((each) => each.name === name);
    return at < 0 ? undefined : this.#left.splice(at, 1)[0];
  }
  /** All data planes, of however many earlier controls. */
  takeDataplanes(): readonly Inherited[] {
    const taken = this.#left.filter(({ name }) => name.startsWith("dataplane/"));
    for (const each of taken) this.#left.splice(this.#left.indexOf(each), 1);
    return taken;
  }
}

export interface Passed {
  readonly text: string;
  readonly fd: Fd;
}

/** What the service manager has passed to this process, now closed on exec; the variables that tell of it are removed. */
export function passedDescriptors(environment: NodeJS.ProcessEnv, pid: number): readonly Passed[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[name];
  const count = Number(LISTEN_FDS ?? 0);
  if (LISTEN_PID !== String(pid) || !Number.isSafeInteger(count) || count <= 0) return [];
  const names = (LISTEN_FDNAMES ?? "").split(":");
  return Array.from({ length: count }, (_, index) => {
    const fd = FIRST_PASSED + index;
    libc.must(fcntl(fd, F_SETFD, FD_CLOEXEC), "fcntl", { fd });
    return { text: names[index] ?? "", fd };
  });
}

export function isAlive({ pid, ticks }: Pick<Identity, "pid" | "ticks">): boolean {
  return startTime(pid) === ticks;
}

/** Field 22 of /proc/PID/stat, clock ticks since boot; undefined when there is no such process, or only its zombie. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command, field 2, may contain anything but ends at the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * Raised whenever a control could not speak with a process of the version before: a message, or the content of a plan,
 * that one of both would not understand.  Who speaks with other words is not taken over, and its virtual IPs move.
 */
export const WORDS = 1;
const NAME = /^(?:pulse|routing|wan|dataplane\/\d+)$/;
/** SD_LISTEN_FDS_START */
const FIRST_PASSED = 3;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const fcntl = libc.declare<(fd: Fd, command: number, value: number) => number>("int fcntl(int, int, int)");
