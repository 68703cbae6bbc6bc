/**
 * Routing rules: which table a packet looks in.  Pure: what is wanted, and what must change for it.
 *
 * In order of preference:
 *   lanes      what carries a value of the mark looks in that lane's table; what finds no route there goes on
 *   sites      everything looks in the table of the choice "default", but not for a default route: so unmarked traffic
 *              reaches the networks of remote sites
 *   near       the main table without its default routes: networks of this site are never reached by a WAN link
 *   sources    what is bound to the address of a link leaves by that link
 *   default    the table of the choice "default", default route included
 */
import { type Ip, isIpv4 } from "../../base/address.ts";
import type { SteeringPlan } from "./part.ts";

export type Family = "ip" | "ip6";

export interface SteeringRule {
  readonly family: Family;
  readonly preference: number;
  readonly table: number;
  readonly value: number | undefined;
  readonly from: Ip | undefined;
  /** Routes with a prefix that is no longer than this do not count; undefined = all count. */
  readonly suppress: number | undefined;
}

/** Offsets in the range of preferences that is ours. */
export const PLACES = { lanes: 0, sites: 100, near: 110, sources: 200, default: 900 } as const;
/** LaneSpec of the choice for what no class matches. */
export const DEFAULT_LANE = "default";
const MAIN = 254;

export function wantedRules(
  plan: SteeringPlan,
  first: number,
  addresses: ReadonlyMap<string, readonly Ip[]>,
): readonly SteeringRule[] {
  const plain = { value: undefined, from: undefined, suppress: undefined };
  const everything = FAMILIES.flatMap((family): readonly SteeringRule[] => {
    const table = defaultTable(plan);
    const lanes = plan.lanes.map((lane) => ({
      ...plain,
      family,
      preference: first + PLACES.lanes + lane.mark,
      table: lane.table,
      value: lane.mark,
    }));
    const near = { ...plain, family, preference: first + PLACES.near, table: MAIN, suppress: 0 };
    if (table === undefined) return plan.links.length === 0 ? lanes : [...lanes, near];
    return [
      ...lanes,
      { ...plain, family, preference: first + PLACES.sites, table, suppress: 0 },
      near,
      { ...plain, family, preference: first + PLACES.default, table },
    ];
  });
  const sources = plan.links.flatMap(({ name, table, mark }) =>
    (addresses.get(name) ?? []).map((from): SteeringRule => {
      const preference = first + PLACES.sources + mark;
      return { ...plain, family: isIpv4(from) ? "ip" : "ip6", preference, table, from };
    }),
  );
  return [...everything, ...sources];
}

export interface RuleChanges {
  readonly add: readonly SteeringRule[];
  readonly remove: readonly SteeringRule[];
}

export function planRules(want: readonly SteeringRule[], have: readonly SteeringRule[]): RuleChanges {
  const wanted = new Set(want.map(ruleKey));
  const there = new Set<string>();
  const remove = have.filter((rule) => {
    const key = ruleKey(rule);
    const surplus = !wanted.has(key) || there.has(key);
    there.add(key);
    return surplus;
  });
  return { add: want.filter((rule) => !there.has(ruleKey(rule))), remove };
}

export function defaultTable(plan: SteeringPlan): number | undefined {
  return plan.lanes.find(({ what }) => what.kind === "class" && what.name === DEFAULT_LANE)?.table;
}

function ruleKey(rule: SteeringRule): string {
  const { family, preference, table, value, from, suppress } = rule;
  return [family, preference, table, value ?? "", from ?? "", suppress ?? ""].join(" ");
}

const FAMILIES: readonly Family[] = ["ip", "ip6"];
