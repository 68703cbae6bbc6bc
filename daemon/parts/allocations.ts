/** Addresses that pools gave to virtual IPs, kept over restarts: <state>/allocations.json. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../base/fault.ts";
import { type Allocated, type Allocation, allocate, allocationsFile } from "../../resources/allocate.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { sameContent } from "../config/canonical.ts";
import { commit } from "../config/transaction.ts";
import type { Events } from "../events.ts";

export class Allocations {
  readonly #file: string;
  readonly #events: Events;
  #kept: readonly Allocation[];
  #saved: readonly Allocation[];

  constructor(file: string, events: Events) {
    this.#file = file;
    this.#events = events;
    this.#kept = read(file, events);
    this.#saved = this.#kept;
  }

  get list(): readonly Allocation[] {
    return this.#kept;
  }

  /** Allocations of these resources; what is new is on disk before anybody announces it. */
  next(resources: ResourceSet): Allocated {
    const allocated = allocate(resources, this.#kept);
    this.#kept = allocated.allocations;
    if (!sameContent(this.#kept, this.#saved)) this.#save();
    return allocated;
  }

  #save(): void {
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o750 });
      commit(dirname(this.#file), [{ path: this.#file, text: `${JSON.stringify({ allocations: this.#kept })}\n` }]);
      this.#saved = this.#kept;
    } catch (error) {
      // In force all the same: an address that may change at the next start beats a service that is down now.
      const why = error instanceof Error ? error.message : String(error);
      this.#events.emit("allocations.not-saved", { file: this.#file, why }, "error");
      if (!(error instanceof Fault) && (error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}

function read(file: string, events: Events): readonly Allocation[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Fault("FILE", { path: file }, error);
  }
  const parsed = allocationsFile.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data.allocations;
  events.emit("allocations.unreadable", { file, why: "not what the daemon writes; pools are allocated anew" }, "error");
  return [];
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema refuses it
  }
}
