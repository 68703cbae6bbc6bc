/** What the relay is told and says: lines of JSON on its stdin and stdout. */
import type { Impairment } from "../description.ts";

/** Its argument. */
export interface RelayOrder {
  readonly seed: number;
  readonly links: readonly RelayLink[];
}
export interface RelayLink {
  readonly name: string;
  /** Interfaces of the fabric; forward is from left to right. */
  readonly left: string;
  readonly right: string;
  readonly forward: Impairment;
  readonly backward: Impairment;
}

export type ToRelay =
  | {
      readonly kind: "impair";
      readonly n: number;
      readonly link: string;
      /** An absent direction stays as it is. */
      readonly forward?: Impairment;
      readonly backward?: Impairment;
    }
  | { readonly kind: "count"; readonly n: number; readonly link: string };

export type FromRelay =
  | { readonly kind: "relaying" }
  | { readonly kind: "done"; readonly n: number }
  | { readonly kind: "counted"; readonly n: number; readonly forward: Counts; readonly backward: Counts };

/** Frames since the start. */
export interface Counts {
  readonly passed: number;
  readonly lost: number;
  /** Dropped because the rate's queue was full. */
  readonly queue: number;
  readonly blackhole: number;
  /** Dropped by the relay itself, which had no room or could not send: not what the link was asked to do. */
  readonly overrun: number;
}
