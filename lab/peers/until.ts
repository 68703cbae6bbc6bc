/** A bounded wait for what only another program's control socket (or the kernel) can tell. */
import { setTimeout as elapse } from "node:timers/promises";
import { Fault } from "../../base/fault.ts";

export interface Patience {
  /** Milliseconds; 20,000 by default. */
  readonly within?: number;
  /** Milliseconds between two looks; 20 by default. */
  readonly every?: number;
  /** What to say beside the complaint when it never came. */
  readonly explain?: () => Promise<string> | string;
  /** It cannot come any more: complain at once. */
  readonly giveUp?: () => boolean;
}

/** Looks until there is something; `undefined` and `false` are nothing. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  patience: Patience = {},
): Promise<T> {
  const within = patience.within ?? 20_000;
  for (const deadline = performance.now() + within; ; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline || patience.giveUp?.() === true)
      throw new Fault("LAB", { missing: what, within, said: (await patience.explain?.()) ?? "" });
    await elapse(patience.every ?? 20);
  }
}
