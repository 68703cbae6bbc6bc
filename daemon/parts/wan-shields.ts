/**
 * The loss shield as control sees it: what pulse says of loss becomes orders for the wan process, and events for
 * operators; what both ends count is kept for status and metrics.
 */
import type { ShieldCount } from "../../sdwan/steer/driver/shield-keeper.ts";
import type { ShieldOrder } from "../../sdwan/steer/shield-copies.ts";
import type { ShieldChange, ShieldReport } from "../../sdwan/steer-plan.ts";
import type { Events } from "../events.ts";
import type { ToWan } from "../wan/words.ts";

export class WanShields {
  readonly #events: Events;
  readonly #tell: (message: ToWan) => boolean;
  readonly #wall: () => number;
  reports: readonly ShieldReport[] = [];
  counts: readonly ShieldCount[] = [];

  constructor(events: Events, tell: (message: ToWan) => boolean, wall: () => number) {
    this.#events = events;
    this.#tell = tell;
    this.#wall = wall;
  }

  heard(shields: readonly ShieldReport[], changes: readonly ShieldChange[]): void {
    this.reports = shields;
    for (const { kind, since, ...told } of changes) {
      if (kind === "began") this.#events.emit("wan.shield-began", told, "warn");
      else this.#events.emit("wan.shield-ended", { ...told, lasted: Math.max(0, this.#wall() - since) }, "info");
    }
    this.order();
  }

  /** Also when the wan process has just begun: its tables went with the one before. */
  order(): void {
    this.#tell({ kind: "shields", orders: this.reports.flatMap(orderOf) });
  }

  /** Pulse does not run, and nobody watches the loss; or nothing is wanted any more. */
  forget(): void {
    if (this.reports.length === 0) return;
    this.reports = [];
    this.order();
  }
}

function orderOf({ policy, site, from, to }: ShieldReport): readonly ShieldOrder[] {
  return to === undefined ? [] : [{ class: policy, site, from, to }];
}
