/** The peer's OPEN, and which of two connections lives.  Standards: RFC 4271 §6.2, §6.8, RFC 6286 §2.3, RFC 4724 §5. */
import { after, type Instant, ms } from "../../base/unit.ts";
import { type Core, type Link, linksOf } from "./core.ts";
import { feed, refuseOpen } from "./link.ts";
import { negotiate } from "./negotiate.ts";
import type { Open } from "./packet/message.ts";

export function opened(core: Core, link: Link, theirs: Open, now: Instant): void {
  const { peer, ours } = link;
  if (ours === undefined) {
    // Only with the DelayOpenTimer: ours goes out when theirs is known to be good.
    feed(core, link, { kind: "delay-open-expired" }, now);
    if (link.ours !== undefined) opened(core, link, theirs, now);
    return;
  }
  if (link.session.state === "established" || link.session.state === "open-confirm") {
    // A second OPEN on one connection: the machine knows what to say.
    if (link.session.negotiated !== undefined)
      feed(core, link, { kind: "open", negotiated: link.session.negotiated }, now);
    return;
  }
  const negotiated = negotiate(peer.spec, ours, theirs);
  if (!negotiated.ok) {
    refuseOpen(core, link, negotiated.error, now);
    return;
  }
  const other = linksOf(peer).find((each) => each !== link);
  if (other !== undefined && loses(link, other, ours, theirs, now)) {
    feed(core, link, { kind: "collision-dump" }, now);
    return;
  }
  if (other?.session.state === "established") {
    // RFC 4724 §5: the peer has restarted; the old connection just has not noticed.
    feed(core, other, { kind: "tcp-failed" }, now);
  } else if (other?.session.state === "open-confirm") {
    feed(core, other, { kind: "collision-dump" }, now);
  }
  link.framer.most = negotiated.value.agreed.mostIn;
  feed(core, link, { kind: "open", negotiated: negotiated.value }, now);
}

/** Whether the connection whose OPEN has just come gives way to the other one. */
function loses(link: Link, other: Link, ours: Open, theirs: Open, now: Instant): boolean {
  if (other.session.state === "established") {
    const graceful = other.session.negotiated?.graceful;
    if (graceful === undefined || !link.incoming) return true;
    // Calls that have crossed say the same: to take the second one for a restart would cost the peer all that it keeps of
    // ours, and us all that we keep of it, since a restart within a restart keeps nothing.
    const anew = hasRestarted(theirs) && !graceful.restarting;
    return !anew && now < after(link.peer.movedAt, CROSSING);
  }
  if (other.session.state !== "open-confirm") return false;
  // The connection that the higher identifier began survives; RFC 6286 §2.3: of equal ones, the higher AS.
  const weAreLower = ours.routerId === theirs.routerId ? ours.asn < theirs.asn : ours.routerId < theirs.routerId;
  if (link.incoming === other.incoming) return !weAreLower;
  return weAreLower ? !link.incoming : link.incoming;
}

function hasRestarted({ capabilities }: Open): boolean {
  return capabilities.findLast((each) => each.kind === "graceful-restart")?.restarting === true;
}

/** Nobody who was just Established has restarted meanwhile. */
const CROSSING = ms(3000);
