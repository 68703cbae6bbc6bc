/**
 * Several files change together or not at all: new texts are written beside their targets and synced, then a journal
 * names the renames, then they happen.  A crash before the journal leaves the old files, a crash after it is finished
 * by `recover` at the next start.  A full disk is noticed before the first rename.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Fault } from "../../base/fault.ts";

/** undefined removes the file. */
export type FileChange = { readonly path: string; readonly text: string | undefined };

/** All paths must lie in `directory`. */
export function commit(directory: string, changes: readonly FileChange[]): void {
  if (changes.length === 0) return;
  const steps = changes.map(({ path, text }) => {
    if (dirname(path) !== directory) throw new TypeError(`${path} is not in ${directory}`);
    return { name: basename(path), text, staged: `${STAGED}${basename(path)}` };
  });
  const journal = join(directory, JOURNAL);
  try {
    mkdirSync(directory, { recursive: true });
    for (const { name, text, staged } of steps) {
      if (text !== undefined) writeSynced(join(directory, staged), text, modeOf(join(directory, name)));
    }
    const entries: readonly Entry[] = steps.map(({ name, text, staged }) => ({
      name,
      staged: text === undefined ? "" : staged,
    }));
    writeSynced(join(directory, `${STAGED}journal`), JSON.stringify(entries), 0o600);
    renameSync(join(directory, `${STAGED}journal`), journal);
    syncDirectory(directory);
  } catch (error) {
    if (!existsSync(journal)) sweep(directory);
    const { code } = error as NodeJS.ErrnoException;
    throw new Fault("FILE", { directory, code, hint: "nothing was changed" }, error);
  }
  recover(directory);
}

/** Finishes what a crash interrupted, removes what it left behind.  Returns the names that changed. */
export function recover(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  const journal = join(directory, JOURNAL);
  if (!existsSync(journal)) {
    sweep(directory);
    return [];
  }
  try {
    const entries = JSON.parse(readFileSync(journal, "utf8")) as readonly Entry[];
    for (const { name, staged } of entries) {
      if (staged === "") removeIfThere(join(directory, name));
      else if (existsSync(join(directory, staged))) renameSync(join(directory, staged), join(directory, name));
    }
    syncDirectory(directory);
    unlinkSync(journal);
    syncDirectory(directory);
    return entries.map(({ name }) => name);
  } catch (error) {
    throw new Fault("FILE", { path: journal, hint: "an interrupted apply could not be finished" }, error);
  }
}

/** Names that are ours while a transaction runs; a loader passes over files that begin with a dot. */
interface Entry {
  readonly name: string;
  /** Empty: the file is removed. */
  readonly staged: string;
}
const STAGED = ".novaedge-staged-";
const JOURNAL = ".novaedge-journal";

function writeSynced(path: string, text: string, mode: number): void {
  const fd = openSync(path, "w", mode);
  try {
    fchmodSync(fd, mode);
    const octets = Buffer.from(text);
    for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at);
    fsyncSync(fd);
    if (fstatSync(fd).size !== octets.length) throw new Fault("FILE", { path, call: "write" });
  } finally {
    closeSync(fd);
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0o640;
    throw error;
  }
}

function sweep(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile() && entry.name.startsWith(STAGED)) removeIfThere(join(directory, entry.name));
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
