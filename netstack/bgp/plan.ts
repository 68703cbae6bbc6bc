/** What the BGP speaker of this host shall do, and what it reports: plain data (JSON).  Durations in milliseconds. */
import type { BfdTiming } from "../bfd/plan.ts";

export interface BgpPlan {
  /** 1–4294967295 */
  readonly asn: number;
  /** Dotted quad, not 0.0.0.0. */
  readonly routerId: string;
  readonly listen: { readonly port: number; readonly addresses: readonly string[] };
  readonly peers: readonly BgpPeerSpec[];
  /** Peers that may call from a prefix without being named. */
  readonly dynamic: readonly BgpDynamicSpec[];
  readonly networks: readonly BgpNetwork[];
  /** Best paths learnt go to the kernel with our protocol number. */
  readonly install: { readonly table: number; readonly metric: number; readonly multipath: number } | undefined;
  /** RFC 8326: everything is announced with GRACEFUL_SHUTDOWN and LOCAL_PREF 0. */
  readonly gracefulShutdown: boolean;
  /** RFC 4724 §4.1: we have just restarted and our forwarding state was kept. */
  readonly restarting: boolean;
}

/** What we originate. */
export interface BgpNetwork {
  readonly prefix: string;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  /** Our own AS so many times more. */
  readonly prepend: number;
  /** "65000:1", "no-export", "no-advertise", "graceful-shutdown" … */
  readonly communities: readonly string[];
  readonly extendedCommunities: readonly string[];
  readonly largeCommunities: readonly string[];
  /** Names of the peers that hear it; undefined = all (their export policy still decides). */
  readonly peers: readonly string[] | undefined;
}

export interface BgpPeerSpec extends BgpSession {
  /** Unique; how reports name it. */
  readonly name: string;
  /** Or `ifname` alone: the peer is the router that the interface's router advertisements tell (unnumbered). */
  readonly address: string | undefined;
  readonly ifname: string | undefined;
  readonly port: number;
  readonly mode: "active" | "passive" | "both";
  readonly adminDown: boolean;
}

export interface BgpDynamicSpec extends BgpSession {
  readonly name: string;
  readonly prefix: string;
  /** Peers at most. */
  readonly most: number;
}

export interface BgpSession {
  /** The peer's AS; "external"/"internal": any other / our own. */
  readonly asn: number | "external" | "internal";
  /** AS that this peer sees instead of ours. */
  readonly localAsn: number | undefined;
  readonly source: string | undefined;
  /** 0, or 3000–65535000. */
  readonly holdTime: number;
  /** At most a third of the negotiated hold time is used. */
  readonly keepalive: number;
  readonly connectRetry: number;
  readonly auth: BgpAuth | undefined;
  /** GTSM (RFC 5082): the peer is at most so many hops away; 1 = adjacent.  undefined = off. */
  readonly ttlSecurity: number | undefined;
  /** External peers more than one hop away: TTL sent.  undefined = directly connected. */
  readonly multihop: number | undefined;
  readonly families: readonly BgpFamilySpec[];
  /** RFC 8950: IPv4 routes with IPv6 next hops. */
  readonly extendedNextHop: boolean;
  readonly gracefulRestart:
    | {
        readonly restartTime: number;
        readonly stalePathTime: number;
        readonly longLived: number | undefined;
        readonly notification: boolean;
        /** Peers' restarts are helped, but ours are seen at once: the capability names no family (RFC 4724 §3). */
        readonly helperOnly?: boolean;
      }
    | undefined;
  readonly import: BgpPolicy;
  readonly export: BgpPolicy;
  /** Name of a BFD session that guards the peer; its specification goes to pulse. */
  readonly bfd: BfdTiming | undefined;
  /** Of that session; without it as `multihop` says. */
  readonly bfdHops?: "single" | "multi";
}

export type BgpAuth =
  | { readonly kind: "md5"; readonly password: string }
  | {
      readonly kind: "ao";
      readonly keyId: number;
      readonly algorithm: "hmac-sha1-96" | "aes-128-cmac-96" | "hmac-sha256";
      readonly key: string;
    };

export interface BgpFamilySpec {
  readonly family: "ipv4" | "ipv6";
  /** RFC 7911: the peer may send several paths. */
  readonly addPathReceive: boolean;
  readonly maxPrefixes:
    | {
        readonly limit: number /** percent */;
        readonly warnAt: number /** undefined = until an operator clears it */;
        readonly restartAfter: number | undefined;
      }
    | undefined;
}

/** First rule that matches decides; none: `otherwise`.  External peers without a policy: reject both ways (RFC 8212). */
export interface BgpPolicy {
  readonly rules: readonly BgpRule[];
  readonly otherwise: "accept" | "reject";
}
export interface BgpRule {
  readonly name: string;
  /** All that are given must hold. */
  readonly match: {
    readonly prefixes?: readonly { readonly prefix: string; readonly ge?: number; readonly le?: number }[];
    /** Any of them. */
    readonly communities?: readonly string[];
    readonly largeCommunities?: readonly string[];
    /** Regular expression over the path as text: "65001 65002 {65003 65004}". */
    readonly asPath?: string;
    readonly nextHops?: readonly string[];
  };
  readonly action: "accept" | "reject";
  readonly set: {
    readonly localPref?: number;
    readonly med?: number | "remove";
    readonly prepend?: number;
    readonly addCommunities?: readonly string[];
    readonly removeCommunities?: readonly string[];
    /** An address, or "self" (export). */
    readonly nextHop?: string;
  };
}

export type BgpState = "idle" | "connect" | "active" | "open-sent" | "open-confirm" | "established";

export interface BgpPeerReport {
  readonly name: string;
  readonly address: string | undefined;
  readonly ifname: string | undefined;
  readonly asn: number | undefined;
  readonly routerId: string | undefined;
  readonly state: BgpState;
  /** Milliseconds since the epoch of the last change of state. */
  readonly since: number;
  /** Negotiated; 0 until Established. */
  readonly holdTime: number;
  readonly keepalive: number;
  readonly capabilities: readonly string[];
  readonly families: readonly {
    readonly family: "ipv4" | "ipv6";
    readonly received: number;
    readonly accepted: number;
    readonly announced: number;
    readonly stale: number;
  }[];
  readonly messages: Readonly<Record<string, { readonly in: number; readonly out: number }>>;
  readonly established: number;
  /** Decoded: "cease/administrative-shutdown sent", "hold-timer-expired received". */
  readonly lastError: string | undefined;
  readonly bfd: string | undefined;
  readonly refused: Readonly<Record<string, number>>;
}

export interface BgpRouteReport {
  readonly prefix: string;
  readonly peer: string;
  readonly best: boolean;
  readonly stale: boolean;
  readonly nextHop: string;
  readonly asPath: string;
  readonly origin: "igp" | "egp" | "incomplete";
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  /** Why it is not best, or why best: "as-path-length", "local-preference" … */
  readonly why: string;
}
