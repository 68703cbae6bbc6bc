/** ARP and neighbour discovery in words, for traces. */
import { formatIp, formatMac } from "../../base/address.ts";
import type { ArpPacket } from "../wire/arp.ts";
import { type NeighbourMessage, UNSPECIFIED } from "../wire/ndp.ts";

export function describeArp({ operation, senderIp, senderMac, targetIp }: ArpPacket): string {
  const [sender, target] = [formatIp(senderIp), formatIp(targetIp)];
  const mac = formatMac(senderMac);
  // RFC 5227 §1.1
  if (senderIp === 0) return `arp probe: does anybody have ${target}? asks ${mac}`;
  if (senderIp === targetIp) return `arp announcement (${operation}): ${sender} is at ${mac}`;
  if (operation === "request") return `arp request: who has ${target}? tell ${sender} at ${mac}`;
  return `arp reply: ${sender} is at ${mac}, to ${target}`;
}

export function describeNeighbour(message: NeighbourMessage): string {
  const { source, target, mac } = message;
  const at = mac === undefined ? "" : ` at ${formatMac(mac)}`;
  if (message.kind === "advertisement") return `neighbour advertisement: ${target} is${at || " here"}, says ${source}`;
  if (source === UNSPECIFIED) return `neighbour solicitation: does anybody have ${target}?`;
  return `neighbour solicitation: who has ${target}? tell ${source}${at}`;
}
