/** Which flows are bound to a link that died, while there is another one for them.  Pure. */
import { lanesOf, type Pin } from "./lanes.ts";
import type { SteeringPlan } from "./part.ts";

/**
 * Pins of dead links, but only of classes that have a link which lives: where none does, what says that they are dead may
 * be wrong, and to end flows, and to refuse new ones, would make it true.
 */
export function deadPins(plan: SteeringPlan, dead: ReadonlySet<string>): readonly Pin[] {
  const { pinned } = lanesOf(plan);
  const saved = new Set(pinned.filter(({ link }) => !dead.has(link)).map(({ name }) => name));
  return pinned.filter(({ name, link }) => dead.has(link) && saved.has(name));
}
