/**
 * What routing must remember over restarts: <state>/routing.json.  That the routing process was running in this boot says
 * that its addresses and routes are still in the kernel, so that it restarts gracefully (RFC 4724 §4.1, RFC 3623 §2).
 */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import * as z from "zod";
import { Fault } from "../../base/fault.ts";
import { commit } from "../config/transaction.ts";
import type { Events } from "../events.ts";

const memory = z.strictObject({
  /** Id of the boot in which routing ran and was not ended; absent: it was ended. */
  running: z.string().optional(),
  /** The router id that was derived. */
  routerId: z.string().optional(),
});
export type Memory = Readonly<z.output<typeof memory>>;

export interface RoutingMemory {
  /** Routing was running when this boot's last daemon ended without ending it. */
  readonly wasRunning: boolean;
  readonly routerId: string | undefined;
  keep(running: boolean, routerId: string | undefined): void;
}

export class RoutingFile implements RoutingMemory {
  readonly #file: string;
  readonly #boot: string;
  readonly #events: Events;
  #kept: Memory;
  readonly wasRunning: boolean;

  constructor(file: string, boot: string, events: Events) {
    this.#file = file;
    this.#boot = boot;
    this.#events = events;
    this.#kept = read(file, events);
    this.wasRunning = this.#kept.running === boot;
  }

  get routerId(): string | undefined {
    return this.#kept.routerId;
  }

  keep(running: boolean, routerId: string | undefined): void {
    const next: Memory = {
      ...(running ? { running: this.#boot } : {}),
      ...(routerId === undefined ? {} : { routerId }),
    };
    if (next.running === this.#kept.running && next.routerId === this.#kept.routerId) return;
    this.#kept = next;
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o750 });
      commit(dirname(this.#file), [{ path: this.#file, text: `${JSON.stringify(next)}\n` }]);
    } catch (error) {
      // A restart is then a cold one, which costs less than not routing now.
      const why = error instanceof Error ? error.message : String(error);
      this.#events.emit("routing.not-saved", { file: this.#file, why }, "error");
      if (!(error instanceof Fault) && (error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}

/** Differs from boot to boot. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function read(file: string, events: Events): Memory {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Fault("FILE", { path: file }, error);
  }
  const parsed = memory.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  events.emit("routing.memory-unreadable", { file, why: "not what the daemon writes; routing starts cold" }, "error");
  return {};
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema refuses it
  }
}
