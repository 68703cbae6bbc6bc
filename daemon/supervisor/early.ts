/**
 * Children that are started before anything is read: a program takes longer to load than a configuration, and on another
 * core.  Whoever is started here waits for its task, and is ended when there is none for it: a refused configuration
 * leaves no process behind.  Imports nothing that takes time.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Fault } from "../../base/fault.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";
import type { FromPulse, ToPulse } from "../pulse/words.ts";
import { ROUTING_FLAGS } from "../routing/flags.ts";
import type { FromRouting, ToRouting } from "../routing/words.ts";
import type { FromWan, ToWan } from "../wan/words.ts";
import type { Message, Spawn } from "./child.ts";
import { Process, type Program, type Task } from "./spawn.ts";

/** Each: arguments of the Node binary: options of its own, then the script. */
export interface Programs {
  readonly pulse: readonly string[];
  readonly dataplane: readonly string[];
  readonly routing: readonly string[];
  readonly wan: readonly string[];
}

/** In the sources a child is a module of its own; a bundle has its programs beside it. */
function program(source: string, bundled: string): readonly string[] {
  const own = fileURLToPath(import.meta.url);
  const relative = own.endsWith(".ts") ? source : bundled;
  return [fileURLToPath(new URL(relative, import.meta.url))];
}
export const PROGRAMS: Programs = {
  pulse: program("../pulse/main.ts", "./pulse.cjs"),
  dataplane: program("../../proxy/main.ts", "./dataplane.cjs"),
  routing: [...ROUTING_FLAGS, ...program("../routing/main.ts", "./routing.cjs")],
  wan: program("../wan/main.ts", "./wan.cjs"),
};

/** Processes of one program. */
export class Stock<To extends Message, From extends Message> {
  readonly #program: Program;
  readonly #waiting: Process<To, From>[] = [];

  constructor(program: Program, count: number) {
    this.#program = program;
    try {
      while (this.#waiting.length < count) this.#waiting.push(new Process(program));
    } catch (error) {
      // Whoever needs the process starts it again, and tells why it cannot.
      if (!(error instanceof Fault)) throw error;
    }
  }

  spawning(task: Task): Spawn<To, From> {
    return (on) => this.#take().begin(task, on);
  }
  async discard(): Promise<void> {
    await Promise.all(this.#waiting.splice(0).map((each) => each.discard()));
  }

  #take(): Process<To, From> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      if (next.alive) return next;
    return new Process(this.#program);
  }
}

export class Early implements AsyncDisposable {
  readonly pulse: Stock<ToPulse, FromPulse>;
  readonly dataplane: Stock<ToDataplane, FromDataplane>;
  /** Never early: most hosts route nothing. */
  readonly routing: Stock<ToRouting, FromRouting>;
  /** Nor this one: most hosts have no WAN links. */
  readonly wan: Stock<ToWan, FromWan>;

  /** `pulse`: 0 where one runs already. */
  constructor(programs: Programs, dataplanes: number, pulse: 0 | 1 = 1) {
    this.pulse = new Stock({ script: programs.pulse }, pulse);
    this.dataplane = new Stock({ script: programs.dataplane }, dataplanes);
    this.routing = new Stock({ script: programs.routing }, 0);
    this.wan = new Stock({ script: programs.wan }, 0);
  }

  /** Ends those that still wait, and resolves when they are gone. */
  async discard(): Promise<void> {
    await Promise.all([this.pulse.discard(), this.dataplane.discard()]);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }
}

/**
 * How many data planes there will be, by a glance at the settings.  A guess: of too many the rest is ended, of too few the
 * rest is started when the settings are known.
 */
export function likelyDataplanes(flag: number | undefined, settingsFile: string): number {
  return Math.min(flag ?? written(settingsFile) ?? Number.POSITIVE_INFINITY, availableParallelism());
}

function written(settingsFile: string): number | undefined {
  try {
    const found = /^[^#\n]*\bworkers["']?\s*:\s*(\d+)/m.exec(readFileSync(settingsFile, "utf8"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    // Whether there must be such a file, and what is wrong with it, is told by who reads it in earnest.
    return undefined;
  }
}
