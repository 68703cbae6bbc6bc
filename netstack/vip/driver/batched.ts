/**
 * Actions of one step, made ready for the kernel: what is asked of it for many virtual IPs is asked once.  With a hundred
 * of them one transaction each would take longer than the leases of those that wait for their turn.
 */
import type { Ip } from "../../../base/address.ts";
import type { Ms } from "../../../base/unit.ts";
import type { Handover } from "../../kernel/fence.ts";
import type { Action } from "../event.ts";
import type { Heartbeat } from "../packet.ts";

export type Batched =
  | Exclude<Action, { readonly kind: "drop" | "drain" | "handover" }>
  | { readonly kind: "drop"; readonly addresses: Ip[] }
  | { readonly kind: "drain"; readonly addresses: Ip[]; readonly span: Ms }
  | { readonly kind: "handover"; readonly moves: Handover[]; readonly span: Ms };

/** Neighbours of one kind become one; what is only told does not part them, and keeps its order. */
export function batched(actions: readonly Action[]): readonly Batched[] {
  const out: Batched[] = [];
  let last: Batched | undefined;
  for (const action of actions) {
    const next = ready(action);
    if (!isNews(action)) {
      if (last !== undefined && joined(last, next)) continue;
      last = next;
    }
    out.push(next);
  }
  return out;
}

/**
 * What is still true, and of use, in a heartbeat that is late: that we own something no more.  Not who shall have it:
 * that one might claim without a probe what somebody else has found free meanwhile.
 */
export function farewell(packet: Heartbeat): Heartbeat | undefined {
  const entries = packet.entries
    .filter(({ role }) => role === "released")
    .map((entry) => ({ ...entry, successor: undefined }));
  return entries.length === 0 ? undefined : { ...packet, entries };
}

function ready(action: Action): Batched {
  if (action.kind === "drop") return { kind: "drop", addresses: [...action.holding.addresses] };
  if (action.kind === "drain") return { kind: "drain", addresses: [...action.holding.addresses], span: action.span };
  if (action.kind !== "handover") return action;
  const { address, previous, span } = action;
  return { kind: "handover", moves: [{ address, previous }], span };
}

/** `next` went into `last`. */
function joined(last: Batched, next: Batched): boolean {
  if (last.kind === "drop" && next.kind === "drop") last.addresses.push(...next.addresses);
  else if (last.kind === "drain" && next.kind === "drain" && last.span === next.span) {
    last.addresses.push(...next.addresses);
  } else if (last.kind === "handover" && next.kind === "handover" && last.span === next.span) {
    last.moves.push(...next.moves);
  } else return false;
  return true;
}

function isNews(action: Action): boolean {
  return action.kind === "report" || action.kind === "peer" || action.kind === "event";
}
