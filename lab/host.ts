/** One host of a lab: a network namespace in which programs run. */
import { mkdirSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Finished, type Running, run, type SpawnOptions, send, start } from "./process.ts";

export interface Host {
  readonly name: string;
  /** As `ip netns` knows it. */
  readonly namespace: string;
  /** For files that live as long as the lab. */
  readonly directory: string;
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): Running;
  /** Runs to the end; a non-zero exit is a Fault unless `anyCode` is set. */
  exec(command: string, args?: readonly string[], options?: SpawnOptions & { anyCode?: boolean }): Promise<Finished>;
  /** A TypeScript program of ours, on this very Node. */
  node(program: string, args?: readonly string[], options?: SpawnOptions): Running;
  /** Everything that runs in the namespace now. */
  pids(): readonly number[];
  /** To all of them, gathered first. */
  signalAll(signal: NodeJS.Signals): readonly number[];
}

/** `own`: directories (absolute) of which the host has its own. */
export function hostIn(
  { name, own = [] }: { readonly name: string; readonly own?: readonly string[] },
  namespace: string,
  directory: string,
): Host {
  const privately = own.flatMap((path) => bound(path, join(directory, `own-${name}`, path)));
  const inside = (command: string, args: readonly string[]): readonly string[] => [
    "netns",
    "exec",
    namespace,
    ...privately,
    command,
    ...args,
  ];
  return {
    name,
    namespace,
    directory,
    spawn: (command, args = [], options = {}) => start("ip", inside(command, args), options),
    exec: (command, args = [], options = {}) => run("ip", inside(command, args), options),
    node: (program, args = [], options = {}) =>
      start("ip", inside(process.execPath, [program, ...args]), { ...options, env: { ...CACHED, ...options.env } }),
    pids: () => pidsIn(namespace),
    signalAll(signal) {
      const pids = pidsIn(namespace);
      for (const pid of pids) send(pid, signal);
      return pids;
    },
  };
}

/** Each `ip netns exec` has a mount namespace of its own: what is mounted there is seen by that program alone. */
function bound(path: string, instead: string): readonly string[] {
  mkdirSync(path, { recursive: true });
  mkdirSync(instead, { recursive: true });
  return ["sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', instead, path];
}

function pidsIn(namespace: string): readonly number[] {
  const inode = statSync(`/run/netns/${namespace}`).ino;
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`;
      } catch {
        return false; // ended meanwhile
      }
    })
    .map(Number);
}

/** Stripped and compiled once, not by each of a lab's many processes: they start in half the time. */
const CACHED = { NODE_COMPILE_CACHE: join(import.meta.dirname, "../node_modules/.cache/compile") };
