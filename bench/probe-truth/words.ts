/** What a prober of its own is told, and what it says. */
import type { PathLife } from "../../sdwan/figures.ts";
import type { PathReport, PathSpec, ReflectorSpec } from "../../sdwan/steer-plan.ts";

export interface Order {
  readonly paths: readonly PathSpec[];
  readonly reflectors: readonly ReflectorSpec[];
  /** Milliseconds between two reports. */
  readonly every: number;
}

export type Said =
  | { readonly kind: "ready" }
  | { readonly kind: "life"; readonly path: string; readonly life: PathLife; readonly at: number }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }
  | {
      readonly kind: "reports";
      readonly reports: readonly PathReport[];
      readonly reflected: { readonly answered: number; readonly refused: Readonly<Record<string, number>> };
    };
