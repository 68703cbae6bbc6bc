/**
 * What stands in documents and files that are refused.  A reference to it does not lead nowhere: the cause is named where
 * it is, and what follows from it is not said again in all other files.
 */
import type { Diagnostic } from "./diagnostic.ts";

export interface Refused {
  /** Names that refused documents have: their own, and the one of the site that they describe. */
  readonly names: ReadonlySet<string>;
  /** Of a file that could not be read as YAML nothing is known: it may have anything. */
  readonly unread: boolean;
}

export const NOTHING_REFUSED: Refused = { names: new Set(), unread: false };

/** A reference to it cannot be judged. */
export function mayBe({ names, unread }: Refused, name: string): boolean {
  return unread || names.has(name);
}

export function isAnything({ names, unread }: Refused): boolean {
  return unread || names.size > 0;
}

/** Says of what could not be read why others do not speak of it. */
export function withConsequence(problems: readonly Diagnostic[]): readonly Diagnostic[] {
  const [first, ...rest] = problems;
  if (first === undefined) return problems;
  const consequence = "what other files refer to is not looked at until this file can be read";
  return [{ ...first, hint: first.hint === undefined ? consequence : `${first.hint} (${consequence})` }, ...rest];
}
