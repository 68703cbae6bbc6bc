/** The links of the plan as they are at the moment.  Pure. */
import { type Ip, ipOf, parseIp } from "../../../base/address.ts";
import type { UnderlayPlan } from "../../underlay-plan.ts";

export interface LinkSight {
  readonly name: string;
  readonly ifname: string;
  /** Value of the mark. */
  readonly mark: number;
  readonly up: boolean;
  readonly addresses: readonly Ip[];
  readonly publicIp: Ip | undefined;
}

/** What a link is at the moment. */
export interface TraversalLink {
  readonly name: string;
  readonly up: boolean;
  /** "192.0.2.1/24" */
  readonly addresses: readonly string[];
}

export function sightsOf(
  plan: Pick<UnderlayPlan, "links"> | undefined,
  links: readonly TraversalLink[],
): readonly LinkSight[] {
  return (plan?.links ?? []).map(({ name, ifname, mark, publicIp }) => {
    const link = links.find((each) => each.name === name);
    return {
      name,
      ifname,
      mark,
      up: link?.up === true,
      addresses: (link?.addresses ?? []).map((text) => ipOf(text.replace(/\/.*$/, ""))),
      publicIp: publicIp === undefined ? undefined : ipIn(publicIp),
    };
  });
}

/** A public address may be told as a name, which is no candidate. */
function ipIn(text: string): Ip | undefined {
  const parsed = parseIp(text);
  return parsed.ok ? parsed.value : undefined;
}
