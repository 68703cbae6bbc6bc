/** Settings of a node and all resources, together: what each of them cannot see alone. */
import type { Diagnostic } from "./diagnostic.ts";
import type { ResourceSet } from "./kinds.ts";
import { routingTogether } from "./routing-together.ts";
import type { Settings } from "./settings.ts";
import { wanTogether } from "./wan-together.ts";

export function together(settings: Settings, resources: ResourceSet): readonly Diagnostic[] {
  return [...routingTogether(settings, resources), ...wanTogether(settings, resources)];
}
