/**
 * What the routing process asks of a protocol engine's driver: netstack/bgp/driver, netstack/ospf/driver.  A driver knows
 * nothing of control or of this folder; it fits this shape by its own types (layers: netstack imports no daemon).
 *
 * Everything is called on the loop's thread, nothing blocks.  An engine is made with an EngineNotes, and may call it from
 * within any call but its constructor.
 */

import type { TraceLine } from "../../base/trace.ts";
import type { Ms } from "../../base/unit.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type { RoutingAnswer, RoutingQuestion } from "./words.ts";

export interface RoutingEngine<Plan> extends Disposable {
  /**
   * The whole plan, each time.  What did not change is not touched.  Its networks are those to announce now: what belongs
   * to an ineligible or unbound virtual IP has been left out.
   */
  plan(plan: Plan): void;
  /** About a session that this engine asked for, or another one's: ids that are not its own are ignored. */
  bfd(report: BfdReport): void;
  /** GRACEFUL_SHUTDOWN or max-metric at once, all own networks withdrawn after `grace`; then `done`, once. */
  withdraw(grace: Ms, done: () => void): void;
  /**
   * Ends all sessions; `done`, once, when what was to be said is sent.  `keep`: as a graceful restart: peers keep our
   * routes, and ours stay in the kernel.
   */
  stop(keep: boolean, done: () => void): void;
  /** undefined: not a question for this engine. */
  ask(question: RoutingQuestion): RoutingAnswer | undefined;
  /** Lines for the peer (or all) until disposed. */
  trace(peer: string | undefined, line: (line: TraceLine) => void): Disposable;
  /** An operator's hand; false: no such peer here. */
  clear(peer: string, how: "hard" | "refresh-in" | "refresh-out"): boolean;
  /** Closes everything at once and takes its routes out of the kernel, unless `stop(true)` came before. */
  [Symbol.dispose](): void;
}

export interface EngineNotes {
  /** All sessions that this engine wants now. */
  bfd(sessions: readonly BfdSpec[]): void;
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}
