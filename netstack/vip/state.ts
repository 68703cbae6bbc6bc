/** What one segment machine remembers.  Mutable, because it is a table that every heartbeat touches; see segment.ts. */
import type { Ip, Mac } from "../../base/address.ts";
import { after, type Instant, instant, type Ms, ms } from "../../base/unit.ts";
import { Announcer } from "./announce.ts";
import type { Action, Holding, SegmentConfig, VipConfig, VipId } from "./event.ts";
import { Pace } from "./pace.ts";
import type { Echo, Role } from "./packet.ts";
import type { PeerReport, VipReport } from "./plan.ts";
import type { Claim } from "./rank.ts";
import { detection, type Timing, window } from "./timing.ts";

export interface State {
  config: SegmentConfig;
  link: { readonly up: boolean; readonly mac: Mac; readonly addresses: readonly Ip[] };
  readonly peers: Map<string, Peer>;
  readonly vips: Map<VipId, Vip>;
  /** Every virtual address to its virtual IP. */
  readonly byAddress: Map<Ip, Vip>;
  /** Addresses that we own no more, and until when the kernel still serves their flows. */
  readonly drains: Map<Ip, Instant>;
  announcer: Announcer;
  withdrawn: { readonly handover: Ms; done: boolean } | undefined;
  /** When we last found that we had not been running. */
  wokeAt: Instant;
  /** Last sign of a peer or a witness. */
  contactAt: Instant;
  witnessAskedAt: Instant;
  witnessHeardAt: Instant;
  /** No witness has answered for long, and that was told. */
  witnessDumb: boolean;
  nextTick: Instant;
  sequence: number;
  /** When which of our sequence numbers went out: how old an echo is. */
  readonly sent: { readonly sequence: number; readonly at: Instant }[];
  /** When the outstanding `renew` was asked for. */
  renewAt: Instant | undefined;
  /** Peers should hear what just changed: "soon" is as soon as `pace` allows, which is at once, as a rule. */
  urgent: "no" | "soon" | "now";
  /** Of heartbeats between the regular ones: anybody may provoke them. */
  readonly pace: Pace;
  /** Of announcements that answer others' announcements. */
  readonly retorts: Pace;
  readonly out: Action[];
}

export interface Peer {
  readonly node: string;
  incarnation: number;
  sequence: number;
  timing: Timing;
  mac: Mac;
  addresses: readonly Ip[];
  owned: number;
  readonly firstAt: Instant;
  heardAt: Instant;
  /** When we sent the last heartbeat that it echoed. */
  hearsUsAt: Instant;
  /** It has echoed what we sent lately: it lives, and is no recording.  Until then what it says is hearsay. */
  proven: boolean;
  /** The last of our sequence numbers that it echoed. */
  echoed: number;
  readonly standings: Map<VipId, Standing>;
  /** What it echoed last, in its order: how it names a successor. */
  echoes: readonly Echo[];
  reported: PeerReport["state"] | undefined;
}

/** What a peer said of one virtual IP. */
export interface Standing {
  readonly role: Role;
  readonly priority: number;
  readonly wants: boolean;
  at: Instant;
}

export interface Vip {
  config: VipConfig;
  /** Its first address, and so another when that changes. */
  id: VipId;
  phase: Phase;
  /** Highest term known. */
  term: number;
  /** The owner as last heard; alive only while `evidence` says so. */
  owner: (Claim & { readonly contestedSince: Instant | undefined }) | undefined;
  evidence: Evidence;
  /** When our turn comes, fixed when the address became free. */
  turnAt: Instant | undefined;
  /** What we own when that is assigned too. */
  turnLoad: number;
  why: string;
  /** A virtual IP that left the configuration lives on until its release was told. */
  leaving: boolean;
  releasing: Releasing | undefined;
  /** Addresses that it got while we owned it, and that we do not hold yet. */
  joining: Joining | undefined;
  /** Whose flows to pass on if we claim before `until`. */
  predecessor: { readonly addresses: readonly Ip[]; readonly until: Instant } | undefined;
  /** Since when we are the better candidate. */
  betterSince: Instant | undefined;
  /** RFC 5227 §2.4: when the address was contested last while we owned it. */
  contestedAt: Instant | undefined;
  backoff: Ms;
  /** When hearsay made us wait last. */
  hearsayAt: Instant;
  reported: VipReport | undefined;
}

export type Phase =
  | { readonly kind: "no-link" }
  | { readonly kind: "ineligible" }
  /** Listening, or standing by. */
  | { readonly kind: "waiting" }
  | {
      readonly kind: "claiming";
      readonly since: Instant;
      readonly dueAt: Instant;
      readonly load: number;
      readonly gap: Ms;
      nextProbeAt: Instant | undefined;
      probesLeft: number;
      /** When the last probe was sent, and after which of our heartbeats. */
      probedAt: Instant;
      probedAfter: number;
      /** Peers that probe too, and when we saw it last. */
      readonly probers: Map<string, Instant>;
    }
  /** `claim` was asked of the kernel. */
  | { readonly kind: "installing"; readonly at: Instant; readonly why: string }
  | { readonly kind: "owner"; readonly term: number; leaseUntil: Instant }
  /** A station that is none of ours has the address. */
  | { readonly kind: "conflict"; readonly with: Mac; readonly until: Instant };

/** Nobody claims before `at` + `span`, and not without `probes` in the `window` before that. */
export interface Evidence {
  readonly at: Instant;
  readonly span: Ms;
  readonly window: Ms;
  readonly probes: number;
  readonly of: "listening" | "heartbeat" | "hearsay" | "answer" | "claim" | "freed" | "released" | "conflict";
}

export interface Joining {
  readonly addresses: readonly Ip[];
  readonly gap: Ms;
  /** Of the next probe, or of the claim. */
  nextAt: Instant;
  probesLeft: number;
  probedAt: Instant;
  probedAfter: number;
  /** `claim` was asked of the kernel. */
  askedAt: Instant | undefined;
}

export interface Releasing {
  readonly until: Instant;
  /** The node that is to claim. */
  readonly successor: string | undefined;
  readonly handover: Ms;
}

export function stateOf(config: SegmentConfig, now: Instant): State {
  return {
    config,
    link: { up: false, mac: 0 as Mac, addresses: [] },
    peers: new Map(),
    vips: new Map(),
    byAddress: new Map(),
    drains: new Map(),
    announcer: new Announcer(config.node),
    withdrawn: undefined,
    contactAt: now,
    wokeAt: instant(Number.NEGATIVE_INFINITY),
    witnessAskedAt: instant(Number.NEGATIVE_INFINITY),
    witnessHeardAt: now,
    witnessDumb: false,
    nextTick: now,
    sequence: 0,
    sent: [],
    renewAt: undefined,
    urgent: "no",
    pace: new Pace(4),
    retorts: new Pace(4),
    out: [],
  };
}

export function vipOf(config: VipConfig, id: VipId, timing: Timing, now: Instant): Vip {
  return {
    config,
    id,
    phase: { kind: "no-link" },
    term: 0,
    owner: undefined,
    evidence: listening(timing, now),
    turnAt: undefined,
    turnLoad: 0,
    why: "starting",
    leaving: false,
    releasing: undefined,
    joining: undefined,
    predecessor: undefined,
    betterSince: undefined,
    contestedAt: undefined,
    backoff: detection(timing),
    hearsayAt: instant(Number.NEGATIVE_INFINITY),
    reported: undefined,
  };
}

/** Nothing known: listen for one detection time and probe in its second half. */
export function listening(timing: Timing, now: Instant): Evidence {
  const span = detection(timing);
  return { at: now, span, window: ms(span / 2), probes: 3, of: "listening" };
}
/** An owner with this timing is alive at `now`. */
export function alive(timing: Timing, now: Instant, of: Evidence["of"]): Evidence {
  return { at: now, span: detection(timing), window: window(timing), probes: 2, of };
}
/** Free as far as anybody says: probe for one window, then claim. */
export function freed(timing: Timing, now: Instant, of: Evidence["of"]): Evidence {
  return { at: now, span: window(timing), window: window(timing), probes: 2, of };
}
/** When probing may begin. */
export function opensAt(evidence: Evidence): Instant {
  return after(evidence.at, ms(evidence.span - evidence.window));
}

/** New evidence about who has the address: any turn that was fixed on older evidence is void. */
export function believe(vip: Vip, evidence: Evidence): void {
  vip.evidence = evidence;
  vip.turnAt = undefined;
}

/** What just changed should be heard before the next regular heartbeat. */
export function hasten(state: State): void {
  if (state.urgent === "no") state.urgent = "soon";
}

/** Ends a claim under way. */
export function giveWay(vip: Vip, why: string): void {
  if (vip.phase.kind !== "claiming" && vip.phase.kind !== "waiting") return;
  vip.phase = { kind: "waiting" };
  vip.why = why;
}

export function isAlive(peer: Peer, now: Instant): boolean {
  return now - peer.heardAt < detection(peer.timing);
}
/** When it spoke last it had heard us lately. */
export function hearsUs(peer: Peer, own: Timing): boolean {
  return peer.proven && echoesUs(peer, own);
}
/** The same, or it had not had the time to. */
export function echoesUs(peer: Peer, own: Timing): boolean {
  const patience = Math.max(detection(own), detection(peer.timing));
  return peer.heardAt - Math.max(peer.hearsUsAt, peer.firstAt) < patience;
}
/** Whether an owner says so itself, within its detection time. */
export function ownerSpeaks(state: State, vip: Vip, now: Instant): boolean {
  const peer = vip.owner === undefined ? undefined : state.peers.get(vip.owner.node);
  const standing = peer?.standings.get(vip.id);
  return peer?.proven === true && standing?.role === "owner" && now - standing.at < detection(peer.timing);
}
/** What we hold of it when we own it. */
export function holdingOf(vip: Vip): Holding {
  const { addresses } = vip.config;
  const missing = vip.joining?.addresses;
  return {
    vip: vip.id,
    addresses: missing === undefined ? addresses : addresses.filter((ip) => !missing.includes(ip)),
  };
}
/** What we own or are about to: a claim under way weighs already, or whoever deals next would deal to us again. */
export function ownedCount(state: State): number {
  let count = 0;
  for (const { phase } of state.vips.values()) if (HELD.has(phase.kind)) count++;
  return count;
}

const HELD: ReadonlySet<Phase["kind"]> = new Set(["owner", "installing", "claiming"]);
