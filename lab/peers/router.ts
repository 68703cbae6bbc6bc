/**
 * What a routing daemon of a lab shall do, once for all makes.  Each make's own words go into `extra`; what a make cannot
 * do is refused when its configuration is written, so that no test passes for having asked nothing.
 */
export interface RouterSpec {
  readonly routerId: string;
  readonly bgp?: BgpSpec;
  readonly ospf?: readonly OspfSpec[];
  /** Learnt routes go to the kernel; true by default. */
  readonly installs?: boolean;
  /** Lines of the daemon's own language, at top level. */
  readonly extra?: string;
}

export interface BgpSpec {
  readonly asn: number;
  readonly neighbors: readonly NeighborSpec[];
  /** What it announces to all of them, with ORIGIN IGP. */
  readonly networks?: readonly string[];
  /** Equal paths used at once, whatever AS they come from; 1 by default. */
  readonly multipath?: number;
  /** Neighbours that may call from a prefix. */
  readonly dynamic?: { readonly prefix: string; readonly asn: number };
}

export interface NeighborSpec {
  /** A word: how BIRD's `show protocols` calls it. */
  readonly name: string;
  /** Or `ifname` alone: unnumbered (FRR).  With both, a link-local address. */
  readonly address?: string;
  readonly ifname?: string;
  readonly asn: number;
  readonly local?: string;
  readonly port?: number;
  readonly passive?: boolean;
  /** Seconds. */
  readonly hold?: number;
  readonly keepalive?: number;
  readonly password?: string;
  /** GTSM: at most so many hops away. */
  readonly gtsm?: number;
  readonly multihop?: number;
  readonly bfd?: BfdTimes;
  /** By default the family of the address. */
  readonly families?: readonly Family[];
  readonly extendedNextHop?: boolean;
  readonly gracefulRestart?: GracefulRestart;
  /** The session ends above it. */
  readonly maxPrefixes?: number;
  readonly addPath?: "receive" | "send" | "both";
  /** Sends what it has; true by default. */
  readonly announces?: boolean;
  /** Lines of the daemon's own language for this neighbour: FRR's address-family lines are told apart by `family`. */
  readonly extra?: readonly string[];
}
export type Family = "ipv4" | "ipv6";

export interface GracefulRestart {
  /** Seconds. */
  readonly restartTime: number;
  readonly longLived?: number;
}

export interface BfdTimes {
  /** Milliseconds, both ways. */
  readonly interval: number;
  readonly multiplier: number;
  readonly passive?: boolean;
}

export interface OspfSpec {
  readonly version: 2 | 3;
  readonly areas: readonly OspfAreaSpec[];
  /** Announced as AS-external, metric type 2. */
  readonly networks?: readonly string[];
  readonly gracefulRestart?: GracefulRestart;
}
export interface OspfAreaSpec {
  readonly id: string;
  readonly kind?: "normal" | "stub" | "nssa";
  readonly interfaces: readonly OspfInterface[];
}
export interface OspfInterface {
  readonly ifname: string;
  readonly type?: "broadcast" | "point-to-point" | "nbma";
  readonly passive?: boolean;
  readonly cost?: number;
  readonly priority?: number;
  /** Seconds; 1 and 4 by default. */
  readonly hello?: number;
  readonly dead?: number;
  readonly mtuIgnore?: boolean;
  readonly auth?: OspfKey;
  readonly bfd?: BfdTimes;
  /** NBMA. */
  readonly neighbors?: readonly string[];
}
export type OspfKey =
  | { readonly kind: "simple"; readonly password: string }
  | {
      readonly kind: "cryptographic";
      readonly id: number;
      readonly algorithm: "md5" | "hmac-sha1" | "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
      readonly secret: string;
    };

export const familyOf = (address: string): Family => (address.includes(":") ? "ipv6" : "ipv4");
/** The families that a neighbour is spoken with about. */
export function familiesOf(neighbor: NeighborSpec): readonly Family[] {
  return neighbor.families ?? [neighbor.address === undefined ? "ipv6" : familyOf(neighbor.address)];
}
/** Every BFD setting that somebody in the description asks for, once. */
export function bfdOf(spec: RouterSpec): readonly BfdTimes[] {
  const asked = [
    ...(spec.bgp?.neighbors ?? []).map((neighbor) => neighbor.bfd),
    ...(spec.ospf ?? []).flatMap((ospf) => ospf.areas).flatMap((area) => area.interfaces.map((each) => each.bfd)),
  ].filter((bfd) => bfd !== undefined);
  return [...new Map(asked.map((bfd) => [profileOf(bfd), bfd])).values()];
}
export function profileOf(bfd: BfdTimes): string {
  return `p${bfd.interval}x${bfd.multiplier}${bfd.passive === true ? "p" : ""}`;
}
