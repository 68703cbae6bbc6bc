/** Everything that the parts of the plan for links and tunnels are made from. */
import type { WanPolicy } from "../../resources/kinds.ts";
import type { Settings } from "../../resources/settings.ts";
import { allowedLinks, type WanLayout } from "../../resources/wan-lanes.ts";
import { MOST_LANES } from "../../resources/wan-together.ts";
import type { WanFacts } from "./facts.ts";
import type { Pair } from "./wan-pairs.ts";

export interface WanWorld {
  readonly settings: Settings;
  readonly layout: WanLayout;
  readonly facts: WanFacts;
  readonly secrets: ReadonlyMap<string, string>;
  readonly pairs: readonly Pair[];
  /** This host has a gateway, whose requests may be of a class. */
  readonly carriesRequests: boolean;
  /** Value of the mark. */
  readonly mark: (key: string) => number;
}

/** Policies of which some link of this site may carry something. */
export function steered({ policies, sites }: WanLayout): readonly WanPolicy[] {
  return policies.filter((policy) => allowedLinks(sites, policy).length > 0);
}

/** Number of the routing table of a value. */
export function tableOf(mark: number): number {
  return FIRST_TABLE + mark;
}
export function isWanTable(table: number): boolean {
  return table > FIRST_TABLE && table <= FIRST_TABLE + MOST_LANES;
}
const FIRST_TABLE = 11_000;
