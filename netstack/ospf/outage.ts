/**
 * A restart that nobody could announce (RFC 3623 §5): the grace LSA leaves with every hello of ours until the restart is
 * over, and before the first one, which does not name the neighbors that we had.  It goes to nobody in particular: we know
 * no neighbor yet, and those who still take us for adjacent take it.  What of it comes back to us by the exchange is
 * flushed with the end of the restart.  After a restart that was announced it changes nothing but the reason.
 */
import type { Ip } from "../../base/address.ts";
import { INITIAL_SEQUENCE } from "./packet/lsa.ts";
import { encodeLsa } from "./packet/lsa-encode.ts";
import { sendUpdates } from "./send.ts";
import type { Interface, State } from "./state.ts";

export function tellOutage(state: State, iface: Interface, destination: Ip): void {
  if (state.restart.kind !== "restarting" || state.stopping !== undefined || iface.link === undefined) return;
  const { type, id, options, body } = state.dialect.grace(state, iface, gracePeriod(state), "unknown");
  const header = { type, id, advertisingRouter: state.routerId, options, sequence: INITIAL_SEQUENCE };
  sendUpdates(state, iface, [destination], [encodeLsa(state.dialect.version, header, body)]);
}

/** Seconds. */
export function gracePeriod({ plan }: State): number {
  return Math.ceil((plan.gracefulRestart?.period ?? 0) / 1000);
}
