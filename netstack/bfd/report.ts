/** What control is told of a session. */
import { formatIp } from "../../base/address.ts";
import type { BfdHeard, BfdReport } from "./plan.ts";
import type { Session } from "./session.ts";

/** `since`: of its last change of state, in milliseconds since the epoch. */
export function reportOf(session: Session, id: string, since: number): BfdReport {
  const { config } = session;
  const local = config.local ?? session.local;
  return {
    id,
    peer: formatIp(config.peer),
    local: local === undefined ? undefined : formatIp(local),
    ifname: config.ifname,
    hops: config.hops,
    unsolicited: config.unsolicited,
    state: session.state,
    wasUp: session.wasUp,
    remoteState: session.remoteState,
    diagnostic: session.diagnostic,
    remoteDiagnostic: session.heard?.diagnostic ?? "none",
    localDiscriminator: session.localDiscriminator,
    remoteDiscriminator: session.remoteDiscriminator,
    txInterval: session.txInterval,
    detectionTime: session.detectionTime,
    echoInterval: session.echo.working ? session.echo.interval : undefined,
    heard: heardOf(session),
    since,
    flaps: session.flaps,
    received: session.received,
    sent: session.sent,
    refused: { ...session.refused },
    lastRefusal: session.lastRefusal,
  };
}

function heardOf({ heard }: Session): BfdHeard | undefined {
  if (heard === undefined) return undefined;
  const { desiredMinTx, requiredMinRx, requiredMinEchoRx, multiplier, demand, controlPlaneIndependent } = heard;
  return { desiredMinTx, requiredMinRx, requiredMinEchoRx, multiplier, demand, controlPlaneIndependent };
}
