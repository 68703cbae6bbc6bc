/**
 * Our OPEN, and what the peer's makes of it.  Standards: RFC 4271 §4.2, §6.2, RFC 5492, RFC 6286, RFC 6793, RFC 4760,
 * RFC 8950, RFC 2918, RFC 7313, RFC 8654, RFC 7911, RFC 4724, RFC 8538, RFC 9494.
 */
import type { Ipv4 } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type Ms, ms } from "../../base/unit.ts";
import type { Capability, GracefulRestart } from "./packet/capability.ts";
import { afiOf, type Family, isFamily, safiOf } from "./packet/family.ts";
import { MOST, MOST_EXTENDED } from "./packet/framing.ts";
import type { Agreed, Open } from "./packet/message.ts";
import type { BgpSession } from "./plan.ts";
import type { Ending } from "./session-state.ts";

/** Who we are to a peer. */
export interface Identity {
  /** What this peer sees. */
  readonly asn: number;
  readonly routerId: Ipv4;
  /** RFC 4724 §3: R, for the first session after a restart. */
  readonly restarting: boolean;
  /** F, for every family: what we forward has not been interrupted since the peer's last session with us. */
  readonly forwarding: boolean;
}

export interface Negotiated {
  readonly agreed: Agreed;
  readonly asn: number;
  readonly routerId: Ipv4;
  /** The smaller of both; 0: neither timer runs. */
  readonly holdTime: Ms;
  /** Of the peer, by kind, as reports show them. */
  readonly capabilities: readonly string[];
  readonly graceful: Graceful | undefined;
  /** RFC 9494: how long its routes may be kept after the restart time, by family; needs `graceful`. */
  readonly longLived: ReadonlyMap<Family, { readonly forwarding: boolean; readonly staleTime: Ms }>;
}

/** What the peer said of its restarts; both of us have the capability. */
export interface Graceful {
  readonly restarting: boolean;
  /** RFC 8538: both have the N bit. */
  readonly notification: boolean;
  readonly restartTime: Ms;
  /** Families whose routes may be kept → whether forwarding state was preserved (F). */
  readonly families: ReadonlyMap<Family, boolean>;
}

export function openOf(spec: BgpSession, who: Identity): Open {
  const families = spec.families.map(({ family }) => family);
  const capabilities: Capability[] = families.map((family) => ({ kind: "multiprotocol", family }));
  capabilities.push(
    { kind: "route-refresh" },
    { kind: "enhanced-route-refresh" },
    { kind: "extended-message" },
    { kind: "four-octet-asn", asn: who.asn },
  );
  if (spec.extendedNextHop && families.includes("ipv4"))
    capabilities.push({ kind: "extended-next-hop", families: [{ family: "ipv4", nextHop: "ipv6" }] });
  const paths = spec.families.filter(({ addPathReceive }) => addPathReceive);
  if (paths.length > 0)
    capabilities.push({
      kind: "add-path",
      families: paths.map(({ family }) => ({ family, can: "receive" as const })),
    });
  const { gracefulRestart } = spec;
  if (gracefulRestart !== undefined) {
    const helperOnly = gracefulRestart.helperOnly === true;
    const restart: GracefulRestart = {
      kind: "graceful-restart",
      restarting: who.restarting && !helperOnly,
      notification: gracefulRestart.notification,
      restartTime: whole(gracefulRestart.restartTime, 4095),
      families: helperOnly ? [] : families.map((family) => ({ family, forwarding: who.forwarding })),
    };
    capabilities.push(restart);
    const { longLived } = gracefulRestart;
    if (longLived !== undefined && !helperOnly)
      capabilities.push({
        kind: "long-lived-graceful-restart",
        families: families.map((family) => ({
          family,
          forwarding: who.forwarding,
          staleTime: whole(longLived, 0xffffff),
        })),
      });
  }
  return { kind: "open", asn: who.asn, holdTime: whole(spec.holdTime, 65535), routerId: who.routerId, capabilities };
}

export function negotiate(spec: BgpSession, ours: Open, theirs: Open): Result<Negotiated, Ending> {
  const internal = theirs.asn === ours.asn;
  const wanted = spec.asn === "external" ? !internal : spec.asn === "internal" ? internal : theirs.asn === spec.asn;
  if (!wanted) return refuse("open-message/bad-peer-as");
  // RFC 6286 §2.1: unique within an AS; between two, equal ones are no error.
  if (internal && theirs.routerId === ours.routerId) return refuse("open-message/bad-bgp-identifier");

  const own = spec.families.map(({ family }) => family);
  const spoken = familiesOf(theirs);
  const families = own.filter((family) => spoken.includes(family));
  if (families.length === 0) return refuse("open-message/unsupported-capability", own.flatMap(multiprotocol));

  const has = (kind: Capability["kind"]): boolean => theirs.capabilities.some((each) => each.kind === kind);
  const agreed: Agreed = {
    fourOctetAsn: has("four-octet-asn"),
    mostIn: MOST_EXTENDED,
    mostOut: has("extended-message") ? MOST_EXTENDED : MOST,
    routeRefresh: has("route-refresh"),
    enhancedRouteRefresh: has("enhanced-route-refresh"),
    families,
    extendedNextHop: spec.extendedNextHop && families.includes("ipv4") && takesIpv6NextHops(theirs),
    addPathReceive: families.filter((family) => ownPaths(spec, family) && sendsPaths(theirs, family)),
    addPathSend: [],
    peer: internal ? "internal" : "external",
    firstAsn: internal ? undefined : theirs.asn,
    unreadable: "session-reset",
  };
  const graceful = gracefulOf(spec, theirs, families);
  return ok({
    agreed,
    asn: theirs.asn,
    routerId: theirs.routerId,
    holdTime: ms(Math.min(ours.holdTime, theirs.holdTime)),
    capabilities: [...new Set(theirs.capabilities.map(capabilityText))],
    graceful,
    longLived: graceful === undefined ? new Map() : longLivedOf(spec, theirs, families),
  });
}

function ownPaths(spec: BgpSession, family: Family): boolean {
  return spec.families.some((each) => each.family === family && each.addPathReceive);
}
function sendsPaths({ capabilities }: Open, family: Family): boolean {
  return capabilities.some(
    (each) => each.kind === "add-path" && each.families.some((one) => one.family === family && one.can !== "receive"),
  );
}
function takesIpv6NextHops({ capabilities }: Open): boolean {
  return capabilities.some(
    (each) =>
      each.kind === "extended-next-hop" &&
      each.families.some(({ family, nextHop }) => family === "ipv4" && nextHop === "ipv6"),
  );
}
/** RFC 4760 §8: without the capability, IPv4 unicast is what BGP speaks. */
function familiesOf({ capabilities }: Open): readonly Family[] {
  const named = capabilities.flatMap((each) => (each.kind === "multiprotocol" ? [each.family] : []));
  return named.length === 0 ? ["ipv4"] : named.filter(isFamily);
}

function gracefulOf(spec: BgpSession, { capabilities }: Open, families: readonly Family[]): Graceful | undefined {
  const theirs = capabilities.findLast((each) => each.kind === "graceful-restart");
  if (theirs === undefined || spec.gracefulRestart === undefined) return undefined;
  const kept = new Map<Family, boolean>();
  for (const { family, forwarding } of theirs.families)
    if (isFamily(family) && families.includes(family)) kept.set(family, forwarding);
  return {
    restarting: theirs.restarting,
    notification: theirs.notification && spec.gracefulRestart.notification,
    restartTime: theirs.restartTime,
    families: kept,
  };
}
function longLivedOf(spec: BgpSession, { capabilities }: Open, families: readonly Family[]): Negotiated["longLived"] {
  const kept = new Map<Family, { forwarding: boolean; staleTime: Ms }>();
  const most = spec.gracefulRestart?.longLived;
  if (most === undefined) return kept;
  for (const each of capabilities) {
    if (each.kind !== "long-lived-graceful-restart") continue;
    for (const { family, forwarding, staleTime } of each.families)
      if (isFamily(family) && families.includes(family))
        kept.set(family, { forwarding, staleTime: ms(Math.min(staleTime, most)) });
  }
  return kept;
}

function capabilityText(each: Capability): string {
  if (each.kind === "multiprotocol") return `${each.kind}/${each.family}`;
  return each.kind === "unknown" ? `${each.kind}/${each.code}` : each.kind;
}
/** RFC 5492 §4, as a speaker that needs it would send it. */
function multiprotocol(family: Family): readonly number[] {
  const afi = afiOf(family);
  return [1, 4, afi >>> 8, afi & 255, 0, safiOf(family)];
}
function refuse(reason: Ending["reason"], data: readonly number[] = []): Result<never, Ending> {
  return err({ reason, data: Uint8Array.from(data) });
}
/** Whole seconds, at most so many. */
function whole(span: number, most: number): Ms {
  return ms(Math.min(Math.ceil(span / 1000), most) * 1000);
}
