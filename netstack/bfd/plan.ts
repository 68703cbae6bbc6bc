/**
 * What pulse is asked to watch with BFD, and what it reports: plain data (JSON).  Durations in milliseconds.  Clients
 * (BGP, OSPF, next hops, tunnels) ask for a session by `id` and are told; several may share one, none owns a timer.
 */

export interface BfdPlan {
  readonly sessions: readonly BfdSpec[];
  /** Interfaces on which strangers may open sessions to us (RFC 9468). */
  readonly unsolicited: readonly UnsolicitedSpec[];
}

export interface BfdSpec {
  /** Unique in the plan; stays the same while the session shall live on. */
  readonly id: string;
  readonly peer: string;
  /** Source address; undefined = what the route to the peer says. */
  readonly local: string | undefined;
  /** Compulsory for link-local peers; a single-hop session on it ignores what comes through another interface. */
  readonly ifname: string | undefined;
  /** RFC 5881 (TTL 255 both ways) or RFC 5883. */
  readonly hops: "single" | "multi";
  /** Multihop: packets with a lower TTL are ignored; 1–255. */
  readonly minTtl: number;
  /** RFC 5880 §6.1: a passive side is silent until it hears the peer. */
  readonly role: "active" | "passive";
  readonly timing: BfdTiming;
  readonly auth: BfdAuth | undefined;
  /** Held down by the operator (§6.8.16). */
  readonly adminDown: boolean;
}

export interface BfdTiming {
  /** 1–60000, fractions allowed; while not Up at least 1000 is used (§6.8.3). */
  readonly desiredMinTx: number;
  /** 0 = the peer shall send nothing (§6.8.1). */
  readonly requiredMinRx: number;
  /** 1–255 */
  readonly multiplier: number;
  /** Echo packets sent this often when the peer allows it; undefined = none. */
  readonly echoTx: number | undefined;
  /** What we loop back: the least interval; 0 = no echo function here (§6.8.1). */
  readonly requiredMinEchoRx: number;
  /** Ask the peer to stop its periodic packets once Up (§6.6). */
  readonly demand: boolean;
}

export interface BfdAuth {
  readonly type: "simple" | "md5" | "meticulous-md5" | "sha1" | "meticulous-sha1";
  /** 0–255 */
  readonly keyId: number;
  /** Hex; simple: 1–16 octets, MD5: up to 16, SHA1: up to 20. */
  readonly key: string;
}

export interface UnsolicitedSpec {
  readonly ifname: string;
  /** "192.0.2.0/24": peers from elsewhere are ignored; empty = the interface's own networks. */
  readonly from: readonly string[];
  readonly timing: BfdTiming;
  /** Sessions at most, over which strangers are refused. */
  readonly most: number;
}

export type BfdState = "admin-down" | "down" | "init" | "up";

/** RFC 5880 §4.1. */
export type BfdDiagnostic =
  | "none"
  | "control-detection-expired"
  | "echo-failed"
  | "neighbor-down"
  | "forwarding-reset"
  | "path-down"
  | "concatenated-path-down"
  | "admin-down"
  | "reverse-path-down"
  /** 9–31: not assigned when this was written. */
  | "reserved";

export interface BfdReport {
  readonly id: string;
  readonly peer: string;
  readonly local: string | undefined;
  readonly ifname: string | undefined;
  readonly hops: "single" | "multi";
  /** A stranger's, on an interface where those are welcome; its id is made here. */
  readonly unsolicited: boolean;
  readonly state: BfdState;
  /** It has been Up: only then does Down mean anything to a client (RFC 5882 §4.2). */
  readonly wasUp: boolean;
  readonly remoteState: BfdState;
  readonly diagnostic: BfdDiagnostic;
  readonly remoteDiagnostic: BfdDiagnostic;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** In force now. */
  readonly txInterval: number;
  readonly detectionTime: number;
  /** How often echo packets leave; undefined while they do not. */
  readonly echoInterval: number | undefined;
  /** What the peer said last; undefined before it has said anything. */
  readonly heard: BfdHeard | undefined;
  /** Milliseconds since the epoch of the last change of state. */
  readonly since: number;
  readonly flaps: number;
  readonly received: number;
  readonly sent: number;
  /** Name of the refusal → how often. */
  readonly refused: Readonly<Record<string, number>>;
  /** The last refusal in words, with who sent it. */
  readonly lastRefusal: string | undefined;
}

export interface BfdHeard {
  readonly desiredMinTx: number;
  readonly requiredMinRx: number;
  readonly requiredMinEchoRx: number;
  readonly multiplier: number;
  readonly demand: boolean;
  /** Its BFD outlives its control plane: a session that fails while that restarts is a failed path (RFC 5882 §4.3). */
  readonly controlPlaneIndependent: boolean;
}

/**
 * Whether this report, after `before`, tells a client that the path has failed.  Not: a session that was never Up, one
 * that either side holds down on purpose, or one that is gone (RFC 5882 §3.2, §4.2).
 */
export function pathFailed(before: BfdReport | undefined, report: BfdReport): boolean {
  if (before === undefined || before.state !== "up") return false;
  return report.state !== "up" && report.state !== "admin-down" && report.remoteState !== "admin-down";
}
