/**
 * A lab never outlives its creator.  A guardian, a shell in a session of its own, waits on a pipe whose other end dies
 * with the creator; then it kills what runs in the lab's namespaces and removes them.  An orderly end goes the same way.
 * Should the guardian be killed too, the record in RECORDS is found by the next lab, which removes what is left.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { run } from "./process.ts";

export interface Guardian {
  /** A directory of the lab's own, which goes with it. */
  readonly directory: string;
  /** Removes the lab and resolves when nothing of it is left. */
  release(): Promise<void>;
}

/** Writes the record, then sets the guardian up; call before the first namespace is made. */
export function guard(id: string, namespaces: readonly string[], directory = RECORDS): Guardian {
  const own = join(directory, id);
  mkdirSync(own, { recursive: true });
  const record: Record_ = { pid: process.pid, started: startOf(process.pid) ?? "", namespaces };
  const file = join(directory, `${id}.json`);
  writeFileSync(file, JSON.stringify(record));
  const child = spawn("sh", ["-c", `read -r _\n${REMOVE}`, "nv-guardian", file, ...namespaces], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // a Ctrl-C on the terminal reaches the creator only
  });
  const gone = new Promise<void>((resolve, reject) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => reject(new Fault("LAB", { guardian: id }, error)));
  });
  gone.catch(() => undefined);
  // The guardian must not keep its creator alive.
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    directory: own,
    async release() {
      child.ref();
      child.stdin.end();
      await gone;
    },
  };
}

/** Removes labs whose creator is dead; returns their ids. */
export async function sweep(directory = RECORDS): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const file of list(directory)) {
    const path = join(directory, file);
    const record = recordIn(path);
    if (record === undefined || startOf(record.pid) === record.started) continue;
    await run("sh", ["-c", REMOVE, "nv-guardian", path, ...record.namespaces]);
    swept.push(file.slice(0, -".json".length));
  }
  return swept;
}

/** The kernel's start time tells a process from a later one with the same number; undefined when it is dead. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from field 3; the second may hold spaces
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

interface Record_ {
  readonly pid: number;
  readonly started: string;
  readonly namespaces: readonly string[];
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((file) => file.endsWith(".json"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Fault("FILE", { path: directory }, error);
  }
}

/** undefined: removed meanwhile, or being written by a lab that starts in this moment. */
function recordIn(path: string): Record_ | undefined {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Partial<Record_>;
    const names = value.namespaces?.every((name) => /^nv[0-9]+-[a-z0-9-]+$/.test(name)) === true;
    if (typeof value.pid === "number" && typeof value.started === "string" && value.namespaces && names)
      return { pid: value.pid, started: value.started, namespaces: value.namespaces };
  } catch (error) {
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
  rmSync(path, { force: true });
  return undefined;
}

/** $1 is the record, beside it lies the lab's directory; the rest are namespaces.  Killing repeats, since a process may have forked meanwhile. */
const REMOVE = `
trap '' HUP INT TERM PIPE
record=$1; shift
for pass in 1 2 3 4 5 6 7 8 9 10; do
  pids=
  for ns; do pids="$pids $(ip netns pids "$ns" 2>/dev/null)"; done
  [ -n "$(echo $pids)" ] || break
  kill -KILL $pids 2>/dev/null
  [ $pass -lt 3 ] || sleep 0.02
done
for ns; do [ ! -e "/run/netns/$ns" ] || ip netns del "$ns"; done
rm -rf "\${record%.json}"
rm -f "$record"
`;

const RECORDS = "/run/novaedge-lab";
