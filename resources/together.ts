/** Settings of a node and all resources, together: what each of them cannot see alone. */
import type { Diagnostic } from "./diagnostic.ts";
import type { ResourceSet } from "./kinds.ts";
import { NOTHING_REFUSED, type Refused } from "./refused.ts";
import { routingTogether } from "./routing-together.ts";
import type { Settings } from "./settings.ts";
import { wanTogether } from "./wan-together.ts";

/** `refused`: what stands in the files beside `resources`, and cannot be used. */
export function together(
  settings: Settings,
  resources: ResourceSet,
  refused: Refused = NOTHING_REFUSED,
): readonly Diagnostic[] {
  return [...routingTogether(settings, resources), ...wanTogether(settings, resources, refused)];
}
