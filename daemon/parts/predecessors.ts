/**
 * Data planes that earlier controls started: they serve until those of this one do, then accept no more, finish what they
 * carry, and end.  None of them is ever started again.
 */
import { type Ms, ms, seconds } from "../../base/unit.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";
import type { ProcessStatus } from "../admin/api.ts";
import type { Supervised } from "../supervisor/child.ts";
import type { Phase } from "../supervisor/machine.ts";

type Worker = Supervised<ToDataplane, FromDataplane>;

export type TakeOver = (
  received: (index: number, message: FromDataplane) => void,
  moved: (index: number, to: Phase) => void,
) => readonly Worker[];

export interface PredecessorsParts {
  readonly takeOver: TakeOver;
  /** What one of them says of health and of its counters; `name` is the process's. */
  readonly received: (name: string, message: FromDataplane) => void;
  readonly ended: (name: string) => void;
  readonly changed: () => void;
}

export class Predecessors {
  readonly #parts: PredecessorsParts;
  readonly #all: readonly Predecessor[];
  #retired = false;

  constructor(parts: PredecessorsParts) {
    this.#parts = parts;
    const children = parts.takeOver(
      (index, message) => this.#received(index, message),
      (index, to) => this.#moved(index, to),
    );
    this.#all = children.map((child) => ({ child, listening: new Set() }));
  }

  start(): void {
    for (const { child } of this.#all) child.adopt();
  }

  /** How many run. */
  get size(): number {
    return this.#all.filter(({ child }) => child.phase !== "stopped").length;
  }
  /** Some have not told yet what they do. */
  get telling(): boolean {
    return this.#all.some(({ child }) => child.telling);
  }
  listening(): readonly string[] {
    return this.#all.flatMap(({ child, listening }) => (child.phase === "up" ? [...listening] : []));
  }
  alive(): boolean {
    return this.#all.every(({ child }) => child.phase !== "silent");
  }
  status(memory: (pid: number) => number | undefined): readonly ProcessStatus[] {
    return this.#all.filter(({ child }) => child.phase !== "stopped").map(({ child }) => child.status(memory));
  }

  /** Others serve now.  Once is enough. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    void this.drain(LONGEST_FLOW);
  }
  /** Finishes what is under way, at most `grace`, then ends. */
  async drain(grace: Ms): Promise<void> {
    this.#retired = true;
    const within = ms(grace + 1_000);
    await Promise.all(this.#all.map(({ child }) => child.stop({ kind: "drain", grace }, within)));
  }
  kill(): void {
    for (const { child } of this.#all) child.kill();
  }

  #received(index: number, message: FromDataplane): void {
    const one = this.#all[index];
    if (one === undefined) throw new TypeError(`no predecessor ${index}`);
    if (message.kind === "applied") {
      one.listening = new Set(message.listening);
      this.#parts.changed();
    } else this.#parts.received(one.child.name, message);
  }

  #moved(index: number, to: Phase): void {
    const one = this.#all[index];
    if (one === undefined) throw new TypeError(`no predecessor ${index}`);
    if (to === "backoff" || to === "stopped") {
      one.listening = new Set();
      this.#parts.ended(one.child.name);
    }
    // It has a successor.
    if (to === "backoff") queueMicrotask(() => one.child.kill());
    this.#parts.changed();
  }
}

interface Predecessor {
  readonly child: Worker;
  /** Keys on which it accepts. */
  listening: ReadonlySet<string>;
}

/** Who is connected to a data plane of an earlier control may go on for so long. */
const LONGEST_FLOW = seconds(300);
