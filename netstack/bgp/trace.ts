/** Messages and transitions as one line each, for `novactl trace`; costs nothing while nobody looks. */
import { formatIp, formatPrefix } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import { type Core, type Link, type Peer, traces } from "./core.ts";
import type { PathAttributes } from "./packet/attribute.ts";
import { decode } from "./packet/codec.ts";
import { communityText, extendedCommunityText, largeCommunityText } from "./packet/community.ts";
import { Interner } from "./packet/interner.ts";
import type { Agreed, Message } from "./packet/message.ts";
import { type Nlri, prefixesOf } from "./packet/nlri.ts";
import { shutdownText } from "./packet/notification.ts";
import { pathText } from "./packet/path.ts";
import type { SessionAction } from "./session-state.ts";

export function traceMessage(core: Core, peer: Peer, direction: "in" | "out", message: Message): void {
  if (traces(core, peer)) core.out.push({ kind: "trace", peer: peer.name, direction, text: messageText(message) });
}
export function traceState(
  core: Core,
  { peer }: Link,
  { from, to, why }: Extract<SessionAction, { readonly kind: "moved" }>,
): void {
  if (traces(core, peer))
    core.out.push({ kind: "trace", peer: peer.name, direction: "state", text: `${from} → ${to}: ${why}` });
}
/** What the writer made, read again: nobody else knows it as a message. */
export function tracedOctets(core: Core, peer: Peer, messages: readonly Uint8Array[], agreed: Agreed): void {
  if (!traces(core, peer)) return;
  // What we send carries no path identifiers, whatever the peer's does.
  const ours: Agreed = { ...agreed, addPathReceive: [], mostIn: agreed.mostOut, firstAsn: undefined };
  for (const bytes of messages) {
    const decoded = decode(bytes, 0, bytes.length, ours, new Interner());
    if (decoded.ok) traceMessage(core, peer, "out", decoded.value);
  }
}

export function messageText(message: Message): string {
  switch (message.kind) {
    case "open": {
      const { asn, holdTime, routerId, capabilities } = message;
      const names = capabilities.map((each) => (each.kind === "unknown" ? `unknown/${each.code}` : each.kind));
      return `OPEN as ${asn} hold ${holdTime / 1000}s id ${formatIp(routerId)} [${names.join(" ")}]`;
    }
    case "keepalive":
      return "KEEPALIVE";
    case "notification": {
      const text = shutdownText(message);
      return `NOTIFICATION ${message.reason}${text === undefined ? "" : `: ${text}`}`;
    }
    case "route-refresh":
      return `ROUTE-REFRESH ${message.family} ${message.what}`;
    case "update": {
      const parts: string[] = [];
      if (message.endOfRib !== undefined) parts.push(`end-of-rib ${message.endOfRib}`);
      for (const nlri of message.unreach) parts.push(`withdraw ${nlriText(nlri)}`);
      for (const { nlri, attributes } of message.reach) parts.push(`${nlriText(nlri)} ${attributesText(attributes)}`);
      for (const { attribute, why, treatment } of message.faults) parts.push(`${treatment}(${attribute}: ${why})`);
      return `UPDATE ${parts.join("; ")}`;
    }
    default:
      return unreachable(message);
  }
}

function nlriText(nlri: Nlri): string {
  const some = prefixesOf(nlri).slice(0, MOST_SHOWN);
  return `${some.map(formatPrefix).join(" ")}${nlri.count > MOST_SHOWN ? ` and ${nlri.count - MOST_SHOWN} more` : ""}`;
}
function attributesText(attributes: PathAttributes): string {
  const { origin, asPath, nextHop, med, localPref } = attributes;
  const hops = [nextHop.global, nextHop.linkLocal].flatMap((ip) => (ip === undefined ? [] : [formatIp(ip)]));
  const parts = [`via ${hops.join("/")}`, `path [${pathText(asPath)}]`, origin];
  if (med !== undefined) parts.push(`med ${med}`);
  if (localPref !== undefined) parts.push(`local-pref ${localPref}`);
  const communities = [
    ...attributes.communities.map(communityText),
    ...attributes.extendedCommunities.map(extendedCommunityText),
    ...attributes.largeCommunities.map(largeCommunityText),
  ];
  if (communities.length > 0) parts.push(`communities ${communities.join(",")}`);
  return parts.join(" ");
}

const MOST_SHOWN = 8;
