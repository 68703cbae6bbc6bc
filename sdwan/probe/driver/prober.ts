/**
 * The hands of all path measurement: one object for pulse, on its loop.  `plan` may be called at any time with the whole
 * truth: equal specs stay untouched, changed ones keep their windows where what they measure is the same.
 *
 * Life is judged here out of everything that tells of it: the devices (the path's own and the link below), BFD, probes.
 */
import type { Instant } from "../../../base/unit.ts";
import type { BfdState } from "../../../netstack/bfd/plan.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { PathFigures, PathLife } from "../../figures.ts";
import type { PathReport, PathSpec, ReflectorSpec } from "../../steer-plan.ts";
import { SLOTS } from "../pace.ts";
import { Devices } from "./devices.ts";
import { ProbedPath } from "./path.ts";
import { Patience } from "./patience.ts";
import { Reflectors } from "./reflectors.ts";

/** Called from the loop's turns; `life` also from within `bfd` and `plan`, since a death waits for no turn. */
export interface ProberEvents {
  /** A path died, lives again, or cannot be judged any more: at the instant when it is known. */
  life(path: string, life: PathLife, at: Instant): void;
  /** Its figures are others now: a probe was answered (also late), or is lost.  Ask `figures` if they matter. */
  measured(path: string, at: Instant): void;
  /** For the log: "probe.failed" …; `fields.level` is "info" or "warn". */
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
  readonly #paths = new Map<string, ProbedPath>();
  readonly #bfd = new Map<string, BfdState>();
  readonly #patience = new Patience();
  /** Nothing is watched before there is something to do. */
  #hands: { readonly devices: Devices; readonly reflectors: Reflectors } | undefined;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  /** Faults of the environment are events, and tried again; a spec that cannot be read is a bug of whoever made it. */
  plan(paths: readonly PathSpec[], reflectors: readonly ReflectorSpec[]): void {
    if (paths.length + reflectors.length > 0) this.#begin();
    const wanted = new Map(paths.map((spec) => [spec.id, spec]));
    for (const [id, path] of this.#paths) {
      if (wanted.has(id)) continue;
      path[Symbol.dispose]();
      this.#paths.delete(id);
    }
    for (const [id, spec] of wanted) {
      const path = this.#paths.get(id);
      if (path === undefined) this.#paths.set(id, this.#made(spec));
      else if (JSON.stringify(path.spec) !== JSON.stringify(spec)) path.change(spec);
    }
    this.#hands?.reflectors.plan(reflectors);
  }

  /** Of a path of the plan; as of now. */
  life(path: string): PathLife {
    return this.#paths.get(path)?.life ?? { kind: "unknown", why: "no such path" };
  }
  /** As of now; undefined: no such path, or nothing is known yet. */
  figures(path: string): PathFigures | undefined {
    return this.#paths.get(path)?.figures();
  }
  /** Everything that control may want to know of it; undefined: no such path. */
  report(path: string): PathReport | undefined {
    return this.#paths.get(path)?.report();
  }
  /** Of all reflectors: probes answered, and refusals by name. */
  reflected(): { readonly answered: number; readonly refused: Readonly<Record<string, number>> } {
    const { answered = 0, refused = {} } = this.#hands?.reflectors ?? {};
    return { answered, refused: { ...refused } };
  }

  /** State of a BFD session (PathSpec.bfd), at once when it changes: Down after Up is death, whatever the probes say. */
  bfd(session: string, state: BfdState): void {
    this.#bfd.set(session, state);
    for (const path of this.#paths.values()) if (path.spec.bfd === session) path.bfd(state);
  }
  /** The session is no more. */
  bfdGone(session: string): void {
    this.#bfd.delete(session);
  }

  /** Somebody is about to decide on this path: measure fast for a while (the budget still bounds it). */
  doubt(path: string): void {
    this.#paths.get(path)?.doubt();
  }

  /** … as fast as ever, for the next moments: each probe counts. */
  alarm(path: string): void {
    this.#paths.get(path)?.alarm();
  }

  [Symbol.dispose](): void {
    for (const path of this.#paths.values()) path[Symbol.dispose]();
    this.#paths.clear();
    this.#hands?.reflectors[Symbol.dispose]();
    this.#hands?.devices[Symbol.dispose]();
    this.#hands = undefined;
  }

  #begin(): { readonly devices: Devices; readonly reflectors: Reflectors } {
    if (this.#hands !== undefined) return this.#hands;
    const { loop, on } = this.#parts;
    const devices = new Devices(loop, (ifname) => this.#deviceChanged(ifname));
    const failed = (fields: Readonly<Record<string, unknown>>): void =>
      on.event("probe.reflector-failed", { ...fields, level: "warn" });
    const reflectors = new Reflectors({ loop, devices, failed });
    this.#hands = { devices, reflectors };
    return this.#hands;
  }

  #made(spec: PathSpec): ProbedPath {
    const { loop, on, wall } = this.#parts;
    const { devices } = this.#begin();
    return new ProbedPath(spec, {
      loop,
      devices,
      patience: this.#patience,
      wall,
      bfdState: (session) => this.#bfd.get(session),
      life: (life, at) => on.life(spec.id, life, at),
      measured: (at) => on.measured(spec.id, at),
      event: (name, fields) => on.event(name, fields),
      place: [...this.#paths.values()].filter((each) => each.spec.underlay === spec.underlay).length % SLOTS,
    });
  }

  #deviceChanged(ifname: string): void {
    for (const path of this.#paths.values()) {
      if (path.spec.ifname === ifname || path.spec.underlay === ifname) path.deviceChanged();
    }
    this.#hands?.reflectors.deviceChanged(ifname);
  }
}
