/** What all hands of a path are to it, whatever they ask with. */
import { type Ms, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { Counters } from "../../../netstack/kernel/netlink/statistics.ts";
import type { Counters as ProbeCounters } from "../tlv.ts";
import type { Answer } from "../windows.ts";

export interface Hands extends Disposable {
  /** Sends, `counts`: with counters; what an operator should hear when that is not possible. */
  ask(number: number, broad: boolean, counts: boolean): Failure | undefined;
}

export type Failure = Readonly<Record<string, unknown>>;

export interface HandsParts {
  readonly loop: Loop;
  readonly on: HandsEvents;
  /** Index of the path's device now. */
  readonly ifindex: number;
  readonly counters: () => Counters | undefined;
}

export interface HandsEvents {
  answered(answer: Answer, also: Also): void;
  /** Something came that is no answer. */
  refused(kind: string): void;
  /** Another third party is the one that makes figures. */
  targetChanged(): void;
  failed(fields: Failure): void;
}

export interface Also {
  /** From its arrival until now. */
  readonly kept: Ms;
  /** The sender's, at the time of sending. */
  readonly counters: ProbeCounters | undefined;
  /** How long the other end kept it. */
  readonly held: Ms;
}

export const NOTHING_ALSO: Also = { kept: ms(0), counters: undefined, held: ms(0) };
