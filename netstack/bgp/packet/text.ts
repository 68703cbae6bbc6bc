/** Messages as a line to be read: for traces and logs, in the words of the RFCs. */
import { formatIp, formatPrefix } from "../../../base/address.ts";
import { hex } from "../../../base/octets.ts";
import { unreachable } from "../../../base/result.ts";
import type { AttributeName, NextHop, PathAttributes } from "./attribute.ts";
import type { Capability } from "./capability.ts";
import { communityText, extendedCommunityText, largeCommunityText } from "./community.ts";
import type { AttributeFault, Message, Refused, Update } from "./message.ts";
import { eachPrefix, type Nlri, prefixAt } from "./nlri.ts";
import { hardResetReason, shutdownText } from "./notification.ts";
import { pathText } from "./path.ts";

/** One line that can be read, however much a message says. */
export function describe(message: Message): string {
  const text = whole(message);
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}

function whole(message: Message): string {
  switch (message.kind) {
    case "open": {
      const { asn, routerId, holdTime, capabilities } = message;
      return `OPEN as ${asn} id ${formatIp(routerId)} hold ${holdTime / 1000}s: ${listed(capabilities.map(capabilityText), "no capabilities")}`;
    }
    case "keepalive":
      return "KEEPALIVE";
    case "notification":
      return `NOTIFICATION ${notificationText(message)}`;
    case "route-refresh":
      return `ROUTE-REFRESH ${message.family} ${message.what}`;
    case "update":
      return `UPDATE ${listed(updateParts(message), "nothing")}`;
    default:
      return unreachable(message);
  }
}

/** "cease/administrative-shutdown: maintenance" */
export function notificationText(message: Parameters<typeof shutdownText>[0]): string {
  const inner = hardResetReason(message);
  if (inner !== undefined) return `${message.reason}, ${notificationText(inner)}`;
  const text = shutdownText(message);
  if (text !== undefined) return `${message.reason}: ${JSON.stringify(text)}`;
  return message.data.length === 0 ? message.reason : `${message.reason}, data ${shown(message.data)}`;
}

export function refusedText({ kind, reason, attribute, data }: Refused): string {
  const where = attribute === undefined ? "" : ` in ${attributeText(attribute)}`;
  return `refused: ${kind}${where}; ${notificationText({ reason, data })}`;
}
export function faultText({ attribute, why, treatment, family }: AttributeFault): string {
  const of = family === undefined ? "" : ` ${family}`;
  return `${attribute === undefined ? "attributes" : attributeText(attribute)} ${why}: ${treatment}${of}`;
}

/** "igp, path 65001 65002, next hop 192.0.2.1, med 5, communities no-export 65000:1" */
export function attributesText(attributes: PathAttributes): string {
  const { med, localPref, aggregator, originatorId, clusterList } = attributes;
  const parts: string[] = [attributes.origin, `path ${pathText(attributes.asPath) || "empty"}`];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== "") parts.push(`${name} ${value}`);
  };
  add("next hop", nextHopText(attributes.nextHop));
  add("med", med);
  add("local-pref", localPref);
  if (attributes.atomicAggregate) parts.push("atomic-aggregate");
  add("aggregator", aggregator && `${aggregator.asn} ${formatIp(aggregator.address)}`);
  add("communities", attributes.communities.map(communityText).join(" "));
  add("extended communities", attributes.extendedCommunities.map(extendedCommunityText).join(" "));
  add("large communities", attributes.largeCommunities.map(largeCommunityText).join(" "));
  add("originator", originatorId && formatIp(originatorId));
  add("clusters", clusterList.map(formatIp).join(" "));
  for (const { type, value } of attributes.unknown) add(`attribute ${type}`, shown(value) || "empty");
  return parts.join(", ");
}

export function nextHopText({ global, linkLocal }: NextHop): string {
  return [global, linkLocal].flatMap((ip) => (ip === undefined ? [] : [formatIp(ip)])).join(" ");
}

export function capabilityText(capability: Capability): string {
  switch (capability.kind) {
    case "multiprotocol":
      return `multiprotocol ${capability.family}`;
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
      return capability.kind;
    case "extended-next-hop":
      return `extended-next-hop ${capability.families.map(({ family, nextHop }) => `${family} by ${nextHop}`).join(" ")}`;
    case "role":
      return `role ${capability.role}`;
    case "four-octet-asn":
      return `four-octet-asn ${capability.asn}`;
    case "add-path":
      return `add-path ${capability.families.map(({ family, can }) => `${family} ${can}`).join(" ")}`;
    case "graceful-restart": {
      const { restarting, notification, restartTime, families } = capability;
      const flags = `${restarting ? " restarting" : ""}${notification ? " notification" : ""}`;
      const kept = families.map(({ family, forwarding }) => ` ${family}${forwarding ? " forwarding" : ""}`).join("");
      return `graceful-restart ${restartTime / 1000}s${flags}${kept}`;
    }
    case "long-lived-graceful-restart": {
      const kept = capability.families.map(
        ({ family, forwarding, staleTime }) => ` ${family} ${staleTime / 1000}s${forwarding ? " forwarding" : ""}`,
      );
      return `long-lived-graceful-restart${kept.join("")}`;
    }
    case "unknown":
      return `capability ${capability.code}${capability.value.length === 0 ? "" : ` ${shown(capability.value)}`}`;
    default:
      return unreachable(capability);
  }
}

function updateParts(update: Update): readonly string[] {
  const { unreach, reach, endOfRib, faults, skipped, impossible } = update;
  return [
    ...unreach.map((nlri) => `withdraw ${nlriText(nlri)}`),
    ...reach.map(({ nlri, attributes }) => `announce ${nlriText(nlri)}: ${attributesText(attributes)}`),
    ...(endOfRib === undefined ? [] : [`end-of-rib ${endOfRib}`]),
    ...faults.map(faultText),
    ...skipped.map((family) => `skipped ${family}`),
    ...(impossible.length === 0 ? [] : [`ignored ${some(impossible.map(formatPrefix), impossible.length)}`]),
  ];
}

function nlriText(nlri: Nlri): string {
  const texts: string[] = [];
  eachPrefix(nlri, (octets, at, bits, pathId) => {
    if (texts.length >= SHOWN) return;
    texts.push(formatPrefix(prefixAt(octets, at, bits, nlri.family)) + (nlri.paths ? ` (path ${pathId})` : ""));
  });
  return some(texts, nlri.count);
}
function some(texts: readonly string[], count: number): string {
  const shown = texts.slice(0, SHOWN).join(" ");
  return count > SHOWN ? `${shown} and ${count - SHOWN} more` : shown;
}
function listed(parts: readonly string[], none: string): string {
  return parts.length === 0 ? none : parts.join("; ");
}
function attributeText(attribute: AttributeName): string {
  return typeof attribute === "number" ? `attribute ${attribute}` : attribute;
}
function shown(octets: Uint8Array): string {
  return `${hex(octets.subarray(0, SHOWN_OCTETS))}${octets.length > SHOWN_OCTETS ? "…" : ""}`;
}

const MOST_TEXT = 4096;
const SHOWN = 8;
const SHOWN_OCTETS = 64;
