/** Policies with a loss shield whose packets the far end could not tell apart. */
import { shieldCodes } from "../base/shield-codes.ts";
import type { WanPolicy } from "./kinds.ts";
import { dscpName } from "./wan-values.ts";

export interface ShieldClash {
  readonly policy: WanPolicy;
  readonly message: string;
  readonly hint: string;
}

export function shieldClashes(policies: readonly WanPolicy[]): readonly ShieldClash[] {
  const shielded = policies.flatMap((policy) => {
    const { lossShield, dscpClass } = policy.spec.pathSelection;
    return lossShield === undefined || dscpClass === undefined ? [] : [{ policy, dscp: dscpClass }];
  });
  return shielded.flatMap(({ policy, dscp }, index): readonly ShieldClash[] => {
    const { original, copy } = shieldCodes(dscp);
    const twin = shielded.slice(0, index).find((each) => each.dscp !== dscp && shieldCodes(each.dscp).copy === copy);
    if (twin !== undefined) {
      const message = `the other site cannot tell ${dscpName(dscp)} from ${dscpName(twin.dscp)} of ${twin.policy.metadata.name}`;
      return [{ policy, message, hint: `write dscpClass: ${dscpName(twin.dscp)}, or another one` }];
    }
    const taken = policies.find(
      ({ spec }) =>
        [original, copy].includes(spec.pathSelection.dscpClass ?? -1) ||
        spec.match.dscp.some((each) => each === original || each === copy),
    );
    if (taken === undefined) return [];
    const message = `shielded packets carry code points ${copy} and ${original}, which ${taken.metadata.name} uses`;
    return [{ policy, message, hint: "use another code point there, or another dscpClass here" }];
  });
}
