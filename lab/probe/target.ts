/** One way to ask a target, and what became of a question. */
import type { Instant } from "../../base/unit.ts";

export interface ProbeTarget {
  /** Asks once; `fate` is called at most once.  The result forgets the question: its answer is not awaited any more. */
  probe(fate: (fate: Fate) => void): () => void;
}

export type Fate =
  | { readonly kind: "answered"; readonly at: Instant; readonly by: string }
  | { readonly kind: "failed"; readonly why: string };
