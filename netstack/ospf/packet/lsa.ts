/**
 * Link state advertisements, one shape for both versions.  Standards: RFC 2328 §12, A.4 (v2), RFC 5340 §4.4, A.4 (v3),
 * RFC 3101 (NSSA), RFC 5250 (opaque), RFC 3623 and RFC 5187 (grace).
 *
 * An Lsa keeps the octets that came: flooding and the checksum need them byte for byte, and what is unknown travels on.
 * The body is parsed when somebody wants it (`lsa-body.ts`), built by `lsa-encode.ts`.
 */
import type { Ip, Ipv4, Ipv6, Prefix } from "../../../base/address.ts";

export type Version = 2 | 3;

/** What names an LSA in a database (RFC 2328 §12.1). */
export interface LsaKey {
  /** LS type as on the wire: v2 1–11, v3 16 bits with the U and scope bits (RFC 5340 A.4.2.1). */
  readonly type: number;
  readonly id: number;
  readonly advertisingRouter: number;
}

export interface LsaHeader extends LsaKey {
  /** Seconds; may carry DO_NOT_AGE. */
  readonly age: number;
  /** v2 only; in v3 some bodies have their own and this is 0. */
  readonly options: number;
  /** Signed: INITIAL_SEQUENCE … MAX_SEQUENCE (§12.1.6). */
  readonly sequence: number;
  readonly checksum: number;
  /** Octets with the header. */
  readonly length: number;
}

export interface Lsa {
  readonly version: Version;
  readonly header: LsaHeader;
  /** Header and body.  Nobody writes into it: `aged` (lsa-header.ts) copies. */
  readonly raw: Uint8Array;
}

export type LsaBody =
  | RouterBody
  | NetworkBody
  | InterAreaPrefixBody
  | InterAreaRouterBody
  | ExternalBody
  | LinkBody
  | IntraAreaPrefixBody
  | GraceBody
  | RawBody;

/** v2 type 1, v3 type 0x2001. */
export interface RouterBody {
  readonly kind: "router";
  /** Bit B. */
  readonly border: boolean;
  /** Bit E: an AS boundary router. */
  readonly external: boolean;
  /** Bit V: end of a virtual link. */
  readonly virtual: boolean;
  /** Bit Nt (RFC 3101): translates type 7 into type 5 always. */
  readonly translator: boolean;
  /** v3 only; v2's are in the header. */
  readonly options: number;
  readonly links: readonly RouterLink[];
}

export interface RouterLink {
  /** "stub" is v2's only. */
  readonly type: "point-to-point" | "transit" | "stub" | "virtual";
  readonly metric: number;
  /**
   * v2 Link ID, v3 Neighbor Router ID.  Point-to-point and virtual: the neighbor's router ID.  Transit: v2 the designated
   * router's address, v3 its router ID.  Stub: the network's address.
   */
  readonly id: number;
  /** v2 Link Data (own address; stub: the mask; unnumbered: interface index), v3 own Interface ID. */
  readonly data: number;
  /** v3 only, else 0.  Transit: the designated router's, which is the link state ID of its network LSA. */
  readonly neighborInterfaceId: number;
}

/** v2 type 2, v3 type 0x2002. */
export interface NetworkBody {
  readonly kind: "network";
  /** v2: from mask and link state ID; v3: undefined. */
  readonly prefix: Prefix | undefined;
  /** v3 only. */
  readonly options: number;
  readonly routers: readonly number[];
}

/** v2 type 3 (summary of a network), v3 type 0x2003. */
export interface InterAreaPrefixBody extends PrefixEntry {
  readonly kind: "inter-area-prefix";
}

/** v2 type 4 (summary of an AS boundary router), v3 type 0x2004. */
export interface InterAreaRouterBody {
  readonly kind: "inter-area-router";
  /** v2: the link state ID. */
  readonly router: number;
  readonly metric: number;
  /** v3 only. */
  readonly options: number;
}

/** v2 types 5 and 7, v3 types 0x4005 and 0x2007. */
export interface ExternalBody {
  readonly kind: "external" | "nssa";
  readonly prefix: Prefix;
  /** v3 prefix options, with PREFIX_PROPAGATE in an NSSA; v2 has the P bit in the header's options. */
  readonly prefixOptions: number;
  readonly metricType: 1 | 2;
  readonly metric: number;
  readonly forwarding: Ip | undefined;
  /** 0 = none. */
  readonly tag: number;
  /** v3 only: more is in the LSA of that type, this advertising router and that link state ID. */
  readonly referenced: { readonly type: number; readonly id: number } | undefined;
}

/** v3 type 0x0008. */
export interface LinkBody {
  readonly kind: "link";
  readonly priority: number;
  readonly options: number;
  /** Link-local. */
  readonly address: Ipv6;
  readonly prefixes: readonly Omit<PrefixEntry, "metric">[];
}

/** v3 type 0x2009. */
export interface IntraAreaPrefixBody {
  readonly kind: "intra-area-prefix";
  readonly referenced: LsaKey;
  readonly prefixes: readonly PrefixEntry[];
}

export interface PrefixEntry {
  readonly prefix: Prefix;
  /** v3 prefix options, PREFIX_*; v2: 0. */
  readonly prefixOptions: number;
  readonly metric: number;
}

/** v2: opaque type 9 with opaque type 3; v3: type 0x000b. */
export interface GraceBody {
  readonly kind: "grace";
  /** Seconds. */
  readonly period: number;
  readonly reason: "unknown" | "software-restart" | "software-upgrade" | "switch-to-redundant";
  /** v2 on broadcast and NBMA: who restarts. */
  readonly address: Ipv4 | undefined;
}

/** Opaque LSAs, and what we do not know. */
export interface RawBody {
  readonly kind: "opaque" | "unknown";
  readonly octets: Uint8Array;
}

/** RFC 2328 §12.2 and B.  Ages in seconds. */
export const MAX_AGE = 3600;
export const REFRESH_TIME = 1800;
export const MAX_AGE_DIFF = 900;
export const CHECK_AGE = 300;
/** RFC 1793: bit of the age field. */
export const DO_NOT_AGE = 0x8000;
export const INITIAL_SEQUENCE = -0x7fffffff;
export const MAX_SEQUENCE = 0x7fffffff;
/** 24-bit metrics: unreachable (§12.4.3). */
export const INFINITY_METRIC = 0xffffff;
/** RFC 6987. */
export const MAX_LINK_METRIC = 0xffff;

/** LS types on the wire. */
export const TYPES = {
  2: {
    router: 1,
    network: 2,
    "inter-area-prefix": 3,
    "inter-area-router": 4,
    external: 5,
    nssa: 7,
    "opaque-link": 9,
    "opaque-area": 10,
    "opaque-as": 11,
  },
  3: {
    router: 0x2001,
    network: 0x2002,
    "inter-area-prefix": 0x2003,
    "inter-area-router": 0x2004,
    external: 0x4005,
    nssa: 0x2007,
    link: 0x0008,
    "intra-area-prefix": 0x2009,
    grace: 0x000b,
  },
} as const;

export type Scope = "link" | "area" | "as" | "reserved";
/** How far an LSA of that type is flooded (RFC 5250 §2, RFC 5340 §4.5.2). */
export function scopeOf(version: Version, type: number): Scope {
  if (version === 3) return V3_SCOPES[(type >>> 13) & 3] ?? "reserved";
  if (type === 9) return "link";
  if (type === 5 || type === 11) return "as";
  return (type >= 1 && type <= 4) || type === 7 || type === 10 ? "area" : "reserved";
}
/** v3: flood it as its scope says even if unknown; without the bit an unknown LSA stays on the link (RFC 5340 A.4.2.1). */
export const U_BIT = 0x8000;
/** Grace LSAs of v2: opaque type 3, opaque ID 0 (RFC 3623 B). */
export const GRACE_ID = 0x03000000;

/** Options of v2 (RFC 2328 A.2, 5250, 3101) and of v3 (RFC 5340 A.2). */
export const OPTION_E = 0x02;
/** v2 in hellos: NSSA; in type 7 headers: P, propagate. v3 in hellos and router LSAs: NSSA. */
export const OPTION_N = 0x08;
/** v2 in database descriptions: opaque LSAs are understood. */
export const OPTION_O = 0x40;
/** v3: take part in IPv6 routing. */
export const OPTION_V6 = 0x01;
/** v3: a router, which may be passed through. */
export const OPTION_R = 0x10;
/** v3: an authentication trailer follows (RFC 7166 §2.1). */
export const OPTION_AT = 0x0400;

/** v3 prefix options (RFC 5340 A.4.1.1): no unicast, local address, propagate (P). */
export const PREFIX_NU = 0x01;
export const PREFIX_LA = 0x02;
export const PREFIX_PROPAGATE = 0x08;

const V3_SCOPES: readonly Scope[] = ["link", "area", "as", "reserved"];
