/**
 * The hands of all path measurement: one object for pulse, on its loop.  `plan` may be called at any time with the whole
 * truth: equal specs stay untouched, changed ones keep their windows where what they measure is the same.
 */
import type { Instant } from "../../../base/unit.ts";
import type { BfdState } from "../../../netstack/bfd/plan.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { PathFigures, PathLife } from "../../figures.ts";
import type { PathReport, PathSpec, ReflectorSpec } from "../../steer-plan.ts";

/** Called from the loop's turns, never from within a call of a Prober's method. */
export interface ProberEvents {
  /** A path died, lives again, or cannot be judged any more: at the instant when it is known. */
  life(path: string, life: PathLife, at: Instant): void;
  /** Its figures are others now: a probe was answered (also late), or is lost.  Ask `figures` if they matter. */
  measured(path: string, at: Instant): void;
  /** For the log: "probe.socket-failed" …; `fields.level` is "info" or "warn". */
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface ProberParts {
  readonly loop: Loop;
  readonly on: ProberEvents;
  /** Milliseconds since the epoch: Date.now. */
  readonly wall: () => number;
}

export class Prober implements Disposable {
  readonly #parts: ProberParts;
  #paths: ReadonlyMap<string, PathSpec> = new Map();

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  plan(paths: readonly PathSpec[], _reflectors: readonly ReflectorSpec[]): void {
    this.#paths = new Map(paths.map((path) => [path.id, path]));
  }

  /** Of a path of the plan; as of now. */
  life(path: string): PathLife {
    return { kind: "unknown", why: this.#paths.has(path) ? "not measured yet" : "no such path" };
  }
  /** As of now; undefined: no such path, or nothing was sent yet. */
  figures(_path: string): PathFigures | undefined {
    return undefined;
  }
  /** Everything that control may want to know of it; undefined: no such path. */
  report(id: string): PathReport | undefined {
    if (!this.#paths.has(id)) return undefined;
    const counts = { sent: 0, answered: 0, refused: {} };
    const life = this.life(id);
    return { id, life, since: this.#parts.wall(), figures: undefined, ...counts, interval: 0, octetsPerHour: 0 };
  }

  /** State of a BFD session (PathSpec.bfd), at once when it changes: Down after Up is death, whatever the probes say. */
  bfd(_session: string, _state: BfdState): void {}
  /** Somebody is about to decide on this path: measure fast for a while (the budget still bounds it). */
  doubt(_path: string): void {}

  [Symbol.dispose](): void {}
}
