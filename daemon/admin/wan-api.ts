/** SD-WAN in the admin API: what `novactl wan` asks, and what it is told. */
import type { Diagnostic } from "../../resources/diagnostic.ts";
import type { CandidateReport, ChoiceReport, PathReport, SteerPlan, Strategy } from "../../sdwan/steer-plan.ts";
import type { LinkReport, TunnelReport } from "../../sdwan/underlay-plan.ts";
import type { FlowReport, PacketQuestion } from "../wan/words.ts";

export interface WanCalls {
  readonly "GET /v1/wan": { readonly request: undefined; readonly answer: WanStatus };
  /** Query: `limit`. */
  readonly "GET /v1/wan/flows": { readonly request: undefined; readonly answer: WanFlows };
  /** Makes the key pair when there is none. */
  readonly "GET /v1/wan/keys": { readonly request: undefined; readonly answer: WanKeys };
  readonly "POST /v1/wan/explain": { readonly request: PacketQuestion; readonly answer: Explanation };
  readonly "POST /v1/wan/measure": { readonly request: MeasureRequest; readonly answer: MeasureRequest };
  readonly "POST /v1/wan/what-if": { readonly request: WhatIfRequest; readonly answer: WhatIfPlans };
  /** Query: `since`, milliseconds since the epoch.  Answer: lines of sdwan/choose/record.ts, some of them older. */
  readonly "GET /v1/wan/records": { readonly request: undefined; readonly answer: never };
  readonly "POST /v1/wan/rediscover": { readonly request: RediscoverRequest; readonly answer: RediscoverRequest };
}

export interface WanStatus {
  /** undefined: this host has no links. */
  readonly site: string | undefined;
  readonly links: readonly WanLinkStatus[];
  readonly paths: readonly WanPathStatus[];
  /** In the order in which they are tried; "default", for what none matches, is the last. */
  readonly policies: readonly WanPolicyStatus[];
}

/** In `Status`: how links and paths are, in a few numbers. */
export interface WanSummary {
  readonly site: string;
  readonly links: number;
  /** Degraded ones, too. */
  readonly up: number;
  readonly paths: number;
  readonly alive: number;
  readonly relayed: number;
  /** Choices of classes that have a path that keeps the SLA, of all that are made. */
  readonly choices: number;
  readonly good: number;
}

export interface WanLinkStatus {
  readonly name: string;
  readonly ifname: string;
  readonly provider: string;
  readonly role: string;
  /** undefined: not looked at yet. */
  readonly report: LinkReport | undefined;
  readonly quota: { readonly size: number; readonly resetDay: number } | undefined;
  readonly reservedFor: readonly string[];
  /** Of the path to the internet by it. */
  readonly internet: "alive" | "dead" | "unknown";
  /** Over it: all, those that are up, and the far ends of those that have never had a handshake ("madrid/isp1"). */
  readonly tunnels: { readonly all: number; readonly up: number; readonly unshaken: readonly string[] };
}

export interface WanPathStatus {
  readonly id: string;
  readonly link: string;
  /** undefined: the internet. */
  readonly site: string | undefined;
  /** Of the remote site. */
  readonly remoteLink: string | undefined;
  readonly ifname: string;
  readonly usable: boolean;
  /** Why not. */
  readonly why: string;
  readonly via: string;
  readonly metered: boolean;
  readonly cost: number;
  /** Bits per second. */
  readonly bandwidth: number;
  /** Alive, and keeps what the links at both ends promise. */
  readonly healthy: boolean;
  /** 0–1: from the MOS; undefined while nothing is measured. */
  readonly score: number | undefined;
  readonly report: PathReport | undefined;
  readonly tunnel: TunnelReport | undefined;
  /** Ids of the choices that take it now. */
  readonly carries: readonly string[];
}

export interface WanPolicyStatus {
  readonly name: string;
  readonly priority: number | undefined;
  readonly strategy: Strategy;
  /** Code point that its packets get. */
  readonly dscp: number | undefined;
  readonly mark: number;
  /** Weights by link, when flows are spread. */
  readonly balance: Readonly<Record<string, number>> | undefined;
  readonly choices: readonly WanChoiceStatus[];
  /** undefined: the policy wants no loss shield. */
  readonly shield: WanShieldStatus | undefined;
  /** undefined: it does not ask what requests say. */
  readonly requests: WanRequestsStatus | undefined;
}
export interface WanRequestsStatus {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /**
   * "matching": data planes and rules know the class; "waiting": the rules do not yet; "none": no request that this host
   * carries can be of it (there is no gateway, data planes are root, or other fields of the match exclude them).
   */
  readonly proxy: "matching" | "waiting" | "none";
}
export interface WanShieldStatus {
  /** Percent; undefined: there is no other site. */
  readonly aboveLoss: number | undefined;
  /** Paths that lose more now. */
  readonly active: readonly ActiveShield[];
  /** Sent by second paths, and dropped here since the other one of the two had come; since the wan process began. */
  readonly copies: Tally;
  readonly duplicates: Tally;
}
export interface ActiveShield {
  readonly choice: string;
  readonly path: string;
  /** undefined: none is fit, so nothing is copied. */
  readonly second: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly why: string;
}
export interface Tally {
  readonly packets: number;
  readonly octets: number;
}
export interface WanChoiceStatus {
  readonly id: string;
  /** undefined: the internet. */
  readonly site: string | undefined;
  readonly table: number;
  readonly report: ChoiceReport | undefined;
}

/** What carries a flow now: a class that moves takes its flows with it. */
export interface FlowPath {
  /** undefined: nothing is chosen, or it stays in this site. */
  readonly path: string | undefined;
  readonly link: string | undefined;
  /** Device: a tunnel's, or the link's interface. */
  readonly ifname: string | undefined;
}
export type WanFlow = FlowReport & FlowPath;

export interface WanFlows {
  readonly flows: readonly WanFlow[];
  /** That were left out. */
  readonly more: number;
}

export interface WanKeys {
  readonly site: string | undefined;
  /** Base64: what other sites write as `publicKey`. */
  readonly publicKey: string;
  /** Where the private key is. */
  readonly file: string;
  readonly sites: readonly { readonly site: string; readonly publicKey: string; readonly preshared: boolean }[];
}

/** What happens to a packet, and why. */
export interface Explanation {
  /** undefined: no policy matches. */
  readonly policy: string | undefined;
  /** Why that policy, or none. */
  readonly why: string;
  readonly mark: number;
  /** A site, "internet", or "here": a network of this site. */
  readonly destination: string;
  /** The choice that decides; undefined: the main routing table. */
  readonly choice: string | undefined;
  /** Weights by link, when flows of the class are spread: then each flow has one of these links first. */
  readonly balance: Readonly<Record<string, number>> | undefined;
  readonly path: string | undefined;
  readonly link: string | undefined;
  /** Device that carries it. */
  readonly ifname: string | undefined;
  /** "direct" or the site that relays. */
  readonly via: string | undefined;
  readonly state: ChoiceReport["state"] | undefined;
  /** Why that path. */
  readonly chosenBecause: string;
  readonly candidates: readonly CandidateReport[];
  /** Links of this site that are no candidates. */
  readonly left: readonly { readonly link: string; readonly why: string }[];
}

/** As for apply. */
export interface WhatIfRequest {
  readonly documents: string;
  readonly source: string;
}
/** What is measured and chosen among with the configuration in force, and what would be with the documents applied. */
export interface WhatIfPlans {
  readonly inForce: Pick<SteerPlan, "paths" | "choices">;
  readonly whatIf: Pick<SteerPlan, "paths" | "choices">;
  readonly warnings: readonly Diagnostic[];
}

export interface MeasureRequest {
  readonly link: string;
}
export interface RediscoverRequest {
  readonly link?: string | undefined;
}
