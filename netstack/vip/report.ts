/** What control is told of a virtual IP. */
import { formatMac } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import type { VipReport, VipState } from "./plan.ts";
import { ownerSpeaks, type State, type Vip } from "./state.ts";

export function reportOf(state: State, vip: Vip, now: Instant): VipReport {
  const { phase } = vip;
  const shown = stateOf(state, vip, now);
  return {
    name: vip.config.name,
    state: shown,
    term: vip.term,
    owner: phase.kind === "owner" ? state.config.node : vip.owner?.node,
    why: shown === "ineligible" ? (state.withdrawn === undefined ? vip.config.why : "withdrawn") : vip.why,
    conflictWith: phase.kind === "conflict" ? formatMac(phase.with) : undefined,
  };
}

export function sameReport(a: VipReport, b: VipReport): boolean {
  return (
    a.state === b.state &&
    a.term === b.term &&
    a.owner === b.owner &&
    a.why === b.why &&
    a.conflictWith === b.conflictWith
  );
}

function stateOf(state: State, vip: Vip, now: Instant): VipState {
  switch (vip.phase.kind) {
    case "owner":
    case "conflict":
    case "ineligible":
    case "no-link":
    case "claiming":
      return vip.phase.kind;
    case "installing":
      return "claiming";
    case "waiting":
      if (state.withdrawn !== undefined || !vip.config.eligible) return "ineligible";
      return vip.evidence.of === "listening" && !ownerSpeaks(state, vip, now) ? "listening" : "standby";
    default: {
      const never: never = vip.phase;
      return never;
    }
  }
}
