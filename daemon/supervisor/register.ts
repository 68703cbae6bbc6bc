/**
 * Which child processes run, on disk, so that the next start finds what a kill -9 left behind.  A process is known by its
 * id and its start time: ids are reused, both together are not.
 */
import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import * as z from "zod";
import type { Clock } from "../../base/clock.ts";
import { after, type Ms, ms } from "../../base/unit.ts";
import type { Events } from "../events.ts";
import { startTime } from "./inheritance.ts";

const entry = z.strictObject({ name: z.string(), pid: z.int().min(2), started: z.string() });
export type RegisteredChild = Readonly<z.output<typeof entry>>;

export class ChildRegister {
  readonly #file: string;
  readonly #children = new Map<string, RegisteredChild>();

  constructor(file: string) {
    this.#file = file;
  }

  add(name: string, pid: number): void {
    const started = startTime(pid);
    if (started !== undefined) this.#children.set(name, { name, pid, started });
    this.#write();
  }
  remove(name: string): void {
    if (this.#children.delete(name)) this.#write();
  }

  /** Children of an earlier run that are still there. */
  static left(file: string): readonly RegisteredChild[] {
    return read(file).filter(alive);
  }

  /** Forgets the file: all children ended. */
  clear(): void {
    try {
      unlinkSync(this.#file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Not synced: after a power cut no process is left either. */
  #write(): void {
    writeFileSync(this.#file, JSON.stringify([...this.#children.values()]), { mode: 0o640 });
  }
}

/**
 * They have seen the end of their control and are ending; pulse, routing and wan must be gone before others begin (they
 * change the kernel as they go), a data plane may finish its requests.  What does not end in time is killed.
 */
export async function outlive(left: readonly RegisteredChild[], clock: Clock, events: Events): Promise<void> {
  for (const child of left) events.emit("child.left-over", { child: child.name, pid: child.pid }, "warn");
  const first = left.filter(({ name }) => ["pulse", "routing", "wan"].includes(name));
  for (let waited = 0; waited < PATIENCE && first.some(alive); waited += STEP) await pause(clock, ms(STEP));
  for (const child of first) end(child);
  for (const child of left.filter((each) => !first.includes(each))) {
    clock.wakeAt(after(clock.now(), DATAPLANE_PATIENCE), () => end(child));
  }
}

function alive({ pid, started }: RegisteredChild): boolean {
  return startTime(pid) === started;
}

function end(child: RegisteredChild): void {
  if (!alive(child)) return;
  try {
    process.kill(child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function read(file: string): readonly RegisteredChild[] {
  try {
    const parsed = z.array(entry).safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : [];
  } catch {
    // No file, or one that a crash cut short: nothing is known, and the channels' end still ends the children.
    return [];
  }
}

function pause(clock: Clock, span: Ms): Promise<void> {
  return new Promise((resolve) => void clock.wakeAt(after(clock.now(), span), resolve));
}

/** Milliseconds. */
const STEP = 10;
const PATIENCE = 1_500;
const DATAPLANE_PATIENCE = ms(7_000);
