/** What `novactl wan policies` and the metrics show of loss shields. */
import type { Tally, WanShieldStatus } from "../admin/wan-api.ts";
import type { WanPlan } from "../desired/wan.ts";
import type { WanShields } from "../parts/wan-shields.ts";

/** undefined: the policy wants none. */
export function shieldStatus(
  { reports, counts }: Pick<WanShields, "reports" | "counts">,
  { steer, underlay }: Pick<WanPlan, "steer" | "underlay">,
  policy: string,
): WanShieldStatus | undefined {
  const wanted = steer.choices.find((each) => each.policy === policy && each.shield !== undefined)?.shield;
  if (wanted === undefined && !underlay.classes.some(({ name, shielded }) => name === policy && shielded === true))
    return undefined;
  const own = counts.filter((each) => each.class === policy);
  const sum = (tallies: readonly Tally[]): Tally => ({
    packets: tallies.reduce((all, { packets }) => all + packets, 0),
    octets: tallies.reduce((all, { octets }) => all + octets, 0),
  });
  return {
    aboveLoss: wanted?.loss,
    active: reports
      .filter((report) => report.policy === policy)
      .map(({ choice, path, second, since, why }) => ({ choice, path, second, since, why })),
    copies: sum(own.filter(({ copied }) => copied !== undefined)),
    duplicates: sum(own.filter(({ copied }) => copied === undefined)),
  };
}
