/**
 * One WAN link: up, degraded or down, and why.
 *
 * Down is what cannot carry anything: no interface, switched off, no carrier, no address, no next hop.  Degraded can, but
 * is not to be preferred: it flaps, a configured next hop has no address to go with, or the internet does not answer by
 * it (control says so: tunnels of the link may still work).  A loss counts at once; good news of a link that has been
 * lost often lately is believed later (flapping.ts).
 */
import { formatIp, isIpv4 } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import type { Instant } from "../../base/unit.ts";
import type { LinkSpec } from "../underlay-plan.ts";
import { type Flapping, heldUntil, lost, settled, steady } from "./flapping.ts";
import { type Gateways, gatewaysOf, sourcesOf } from "./gateway.ts";
import type { Seen } from "./seen.ts";

export type LinkState = "up" | "degraded" | "down";

export interface Link {
  readonly spec: LinkSpec;
  /** undefined: there is no such interface. */
  readonly seen: Seen | undefined;
  /** Whether third parties answer by this link; undefined: nobody asks them. */
  readonly internet: boolean | undefined;
  readonly flapping: Flapping;
  readonly state: LinkState;
  readonly why: string;
}

export type LinkEvent =
  | { readonly kind: "seen"; readonly seen: Seen | undefined }
  | { readonly kind: "spec"; readonly spec: LinkSpec }
  | { readonly kind: "internet"; readonly alive: boolean | undefined }
  | { readonly kind: "wake" };

export function linkOf(spec: LinkSpec, seen: Seen | undefined, now: Instant): Link {
  return judged({ spec, seen, internet: undefined, flapping: steady(now), state: "down", why: "" }, now);
}

export function step(link: Link, event: LinkEvent, now: Instant): Link {
  switch (event.kind) {
    case "seen":
      return judged({ ...link, seen: event.seen }, now);
    case "spec":
      return judged({ ...link, spec: event.spec }, now);
    case "internet":
      return judged({ ...link, internet: event.alive }, now);
    case "wake":
      return judged(link, now);
    default:
      return unreachable(event);
  }
}

/** When good news that wait will be believed. */
export function nextWake(link: Link): Instant | undefined {
  return link.state === "down" ? undefined : heldUntil(link.flapping);
}

export function gateways(link: Link): Gateways {
  return link.seen === undefined ? NO_GATEWAYS : gatewaysOf(link.spec, link.seen);
}
export function addresses(link: Link): readonly string[] {
  return link.seen === undefined ? [] : sourcesOf(link.seen).map(({ ip }) => formatIp(ip));
}

function judged(link: Link, now: Instant): Link {
  const dead = deathOf(link);
  if (dead !== undefined) {
    const flapping = link.state === "down" ? link.flapping : lost(link.flapping, now);
    return { ...link, flapping, state: "down", why: dead };
  }
  const flapping = settled(link.flapping, now);
  const why = flapping.held ? `flapping: lost ${flapping.losses} times lately` : weaknessOf(link);
  return {
    ...link,
    flapping,
    state: why === undefined ? "up" : "degraded",
    why: why ?? "carrier, address and gateway",
  };
}

function deathOf({ spec, seen }: Link): string | undefined {
  if (seen === undefined) return `no interface ${spec.ifname}`;
  if (!seen.up) return `${spec.ifname} is switched off`;
  if (!seen.carrier) return "no carrier";
  if (sourcesOf(seen).length === 0) return "no address";
  const { gateway4, gateway6 } = gatewaysOf(spec, seen);
  if (gateway4 !== undefined || gateway6 !== undefined) return undefined;
  const auto = [spec.gateway4, spec.gateway6].includes("auto");
  return auto ? `no gateway: the main table has no default route by ${spec.ifname}` : "no gateway";
}

function weaknessOf({ spec, seen, internet }: Link): string | undefined {
  for (const [wanted, family] of [
    [spec.gateway4, "IPv4"],
    [spec.gateway6, "IPv6"],
  ] as const) {
    if (wanted === "auto" || wanted === "none") continue;
    const has = seen !== undefined && sourcesOf(seen).some(({ ip }) => isIpv4(ip) === (family === "IPv4"));
    if (!has) return `no ${family} address for gateway ${wanted}`;
  }
  return internet === false ? "the internet does not answer by it" : undefined;
}

const NO_GATEWAYS: Gateways = { gateway4: undefined, gateway6: undefined };
