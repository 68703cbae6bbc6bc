/**
 * What BGP speakers say, as values: types only.  Standards: RFC 4271 §4, RFC 4760, RFC 7606, RFC 2918, RFC 7313.
 * Decoders and encoders stand beside this file; `codec.ts` is the door to them.  Numbers that have a name stay in the
 * codec; what has none travels as its numbers, so that nothing which was received is lost.
 */
import type { Ipv4, Prefix } from "../../../base/address.ts";
import type { Ms } from "../../../base/unit.ts";
import type { AttributeName, PathAttributes } from "./attribute.ts";
import type { Capability } from "./capability.ts";
import type { AnyFamily, Family } from "./family.ts";
import type { Nlri } from "./nlri.ts";
import type { KnownReason, Reason } from "./notification.ts";

export type Message = Open | Update | Notification | Keepalive | RouteRefresh;
export type MessageKind = Message["kind"];

export interface Open {
  readonly kind: "open";
  /** RFC 6793 §4.1: of the capability if there is one, else of "My Autonomous System"; never 0. */
  readonly asn: number;
  /** 0, or whole seconds from 3 to 65535. */
  readonly holdTime: Ms;
  /** RFC 6286: not 0. */
  readonly routerId: Ipv4;
  /** As received, unknown ones too; the four-octet AS number is among them. */
  readonly capabilities: readonly Capability[];
}

export interface Keepalive {
  readonly kind: "keepalive";
}

export interface Notification {
  readonly kind: "notification";
  readonly reason: Reason;
  readonly data: Uint8Array;
}

export interface RouteRefresh {
  readonly kind: "route-refresh";
  readonly family: AnyFamily;
  /** RFC 7313: "begin" and "end" mark the routes between them (BoRR, EoRR); a number is one to be ignored. */
  readonly what: "request" | "begin" | "end" | number;
}

export interface Update {
  readonly kind: "update";
  /** What no longer is reachable; with `treatment` "treat-as-withdraw" everything that the message announced, too. */
  readonly unreach: readonly Nlri[];
  /** What is announced: empty when the message must be treated as a withdrawal. */
  readonly reach: readonly Reach[];
  /** RFC 4724 §2. */
  readonly endOfRib: AnyFamily | undefined;
  /** RFC 7606 §2: the strongest that any of `faults` calls for; "session-reset" comes as a `Refused` instead. */
  readonly treatment: Exclude<Treatment, "session-reset"> | undefined;
  readonly faults: readonly AttributeFault[];
  /** Routes of families that were not agreed on: not looked at. */
  readonly skipped: readonly AnyFamily[];
  /** RFC 4271 §6.3: prefixes that no route can have (multicast, link-local): left out of `reach`. */
  readonly impossible: readonly Prefix[];
}

export interface Reach {
  readonly nlri: Nlri;
  /** One object for the same octets, as long as the session's interner keeps it: may be compared by identity first. */
  readonly attributes: PathAttributes;
}

/** RFC 7606 §2, the strongest first. */
export type Treatment = "session-reset" | "afi-safi-disable" | "treat-as-withdraw" | "attribute-discard";
export interface AttributeFault {
  /** undefined: not one attribute but the list of them. */
  readonly attribute: AttributeName | undefined;
  readonly why: AttributeFaultKind;
  readonly treatment: Exclude<Treatment, "session-reset">;
  /** With "afi-safi-disable": which. */
  readonly family?: AnyFamily;
}
export type AttributeFaultKind =
  | "flags"
  | "length"
  | "value"
  | "segment-type"
  | "segment-length"
  | "confederation"
  | "as-zero"
  | "first-as"
  | "next-hop"
  | "next-hop-length"
  | "prefix"
  | "missing"
  | "repeated"
  | "from-external"
  | "from-new-speaker"
  | "overrun";

/** A message that ends the session: what to send, and a name to count it by. */
export interface Refused {
  readonly kind: RefusalKind;
  readonly reason: KnownReason;
  /** For the NOTIFICATION, as the section that refuses says. */
  readonly data: Uint8Array;
  /** Where an attribute is to blame. */
  readonly attribute?: AttributeName;
}
export type RefusalKind =
  | "marker"
  | "length"
  | "type"
  | "version"
  | "asn-zero"
  | "hold-time"
  | "router-id-zero"
  | "parameters-length"
  | "parameter-type"
  | "parameter-length"
  | "capability-length"
  | "refresh-length"
  | "withdrawn-length"
  | "attributes-length"
  | "withdrawn-prefix"
  | "nlri-prefix"
  | "unknown-well-known"
  | "repeated-mp"
  | "mp-length"
  | "mp-next-hop-length"
  | "mp-prefix"
  | "fault-without-nlri";

/** What two OPENs agree on, and who the peer is: all that a message needs to be read or written. */
export interface Agreed {
  /** RFC 6793: both speak it. */
  readonly fourOctetAsn: boolean;
  /** RFC 8654 §4: 65535 if we, respectively the peer, said so; else 4096. */
  readonly mostIn: number;
  readonly mostOut: number;
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
  readonly families: readonly Family[];
  /** RFC 8950: IPv4 routes may have IPv6 next hops. */
  readonly extendedNextHop: boolean;
  /** RFC 7911: what the peer sends carries path identifiers. */
  readonly addPathReceive: readonly Family[];
  /** RFC 7911: what we send carries path identifiers. */
  readonly addPathSend: readonly Family[];
  readonly peer: "internal" | "external";
  /** Paths must begin with it (RFC 4271 §6.3); undefined = not looked at (route servers, internal peers). */
  readonly firstAsn: number | undefined;
  /** RFC 7606 §7.11 leaves the choice: what an unreadable MP_REACH_NLRI costs. */
  readonly unreadable: "session-reset" | "afi-safi-disable";
}
