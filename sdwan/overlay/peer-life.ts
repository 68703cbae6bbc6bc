/**
 * The life of one peer: whether its tunnel works, why not, and which endpoint to try next.  Pure; time is the wall clock
 * in milliseconds, because that is what handshakes are told in.
 *
 * WireGuard follows a peer that moves, and has no way of its own back to an address that the peer answered at before.  So
 * while a tunnel works its endpoint is left alone, and when it is stuck the ones that are known are tried in turn.
 */
import type { WireguardPeer } from "../../base/wireguard.ts";
import type { TunnelReport } from "../underlay-plan.ts";

export type Found = NonNullable<TunnelReport["found"]>;

export interface Candidate {
  readonly endpoint: string;
  readonly found: Found;
}

export interface PeerLife {
  readonly state: TunnelReport["state"];
  readonly why: string;
  /** Of the last change of `state`. */
  readonly since: number;
  /** The direct way works: handshakes are young enough that packets pass. */
  readonly direct: boolean;
  /** It was tried for a while, and no handshake has been completed since the peer is there: keys, or a way that is shut. */
  readonly unshaken: boolean;
  /** What its own calls say about that. */
  readonly called: string | undefined;
  /** In the order of trying: what NAT traversal found last, what is configured. */
  readonly discovered: Candidate | undefined;
  readonly configured: readonly string[];
  readonly trying: Trying | undefined;
  /** Counters when something came in last, and when that was. */
  readonly heard: { readonly received: number; readonly sent: number; readonly at: number };
}

interface Trying {
  readonly since: number;
  /** When the next endpoint has its turn. */
  readonly nextAt: number;
  readonly turn: number;
  readonly renewals: number;
}

export interface PeerSight {
  readonly now: number;
  /** Why nothing can work just now (the link is down, there is no device); undefined = it can. */
  readonly obstacle: string | undefined;
  readonly peer: WireguardPeer | undefined;
  /** Of two ends that both call, one is a little later: else each could undo what the other began. */
  readonly patient: boolean;
}

export interface PeerOrders {
  readonly moveTo: string | undefined;
  readonly renew: boolean;
  /** Made again without what it had: its session is with another end than the plan means now. */
  readonly anew: boolean;
  /** Names are worth asking for again. */
  readonly resolve: boolean;
}

export function beginLife(now: number): PeerLife {
  return {
    state: "connecting",
    why: "not looked at yet",
    since: now,
    direct: false,
    unshaken: false,
    called: undefined,
    discovered: undefined,
    configured: [],
    trying: undefined,
    heard: { received: 0, sent: 0, at: now },
  };
}

export function look(before: PeerLife, sight: PeerSight): readonly [PeerLife, PeerOrders] {
  const { now, peer, obstacle } = sight;
  const known = notAhead(before, now);
  const life = { ...known, heard: listen(known, peer, now) };
  const { heard } = life;
  if (obstacle !== undefined)
    return [turned({ ...life, ...SHAKEN, direct: false, trying: undefined }, "down", obstacle, now), NONE];
  if (peer === undefined)
    return [turned({ ...life, ...SHAKEN, direct: false }, "connecting", "being set up", now), NONE];
  const young = isYoung(peer.lastHandshake, now);
  const stuck = now - heard.at > SILENCE && peer.sent - heard.sent > UNANSWERED;
  if (young && !stuck) {
    const why = `handshake with ${peer.endpoint ?? "the peer"}`;
    return [turned({ ...life, ...SHAKEN, direct: true, trying: undefined }, "up", why, now), NONE];
  }
  return call({ ...life, direct: false }, sight, peer);
}

/** A clock that was set back puts what is remembered into the future, and all that waits for it with it. */
function notAhead(life: PeerLife, now: number): PeerLife {
  const { trying, heard } = life;
  const sooner = trying && {
    ...trying,
    since: Math.min(trying.since, now),
    nextAt: Math.min(trying.nextAt, now + CHANCE),
  };
  return { ...life, trying: sooner, heard: { ...heard, at: Math.min(heard.at, now) } };
}

/** Young enough that packets pass; a clock that was set back makes nothing old. */
export function isYoung(handshake: number | undefined, now: number): boolean {
  return handshake !== undefined && Math.abs(now - handshake) < REJECT_AFTER;
}

/** NAT traversal found a way: it has its chance before anything else is tried. */
export function discovered(life: PeerLife, candidate: Candidate, now: number): PeerLife {
  const { since = now, turn = 1 } = life.trying ?? {};
  const trying = life.direct ? undefined : { since, nextAt: now + CHANCE, turn, renewals: MOST_RENEWALS };
  return { ...life, discovered: candidate, trying };
}

export function configured(life: PeerLife, endpoints: readonly string[], now: number): PeerLife {
  if (JSON.stringify(endpoints) === JSON.stringify(life.configured)) return life;
  const { trying } = life;
  return { ...life, configured: endpoints, trying: trying === undefined ? undefined : { ...trying, nextAt: now } };
}

/** How the endpoint that is in use was found; undefined without one. */
export function foundOf(life: PeerLife, endpoint: string | undefined): Found | undefined {
  if (endpoint === undefined) return undefined;
  if (life.configured.includes(endpoint)) return "configured";
  return life.discovered?.endpoint === endpoint ? life.discovered.found : "called-us";
}

/** When it is worth looking again, in milliseconds from now. */
export function restOf(life: PeerLife, now: number): number {
  const { trying } = life;
  return trying !== undefined && now - trying.since < PATIENCE ? EAGER : CALM;
}

function call(life: PeerLife, sight: PeerSight, peer: WireguardPeer): readonly [PeerLife, PeerOrders] {
  const { now, patient } = sight;
  const trying = life.trying ?? { since: now, nextAt: now, turn: 0, renewals: 0 };
  const tried = now - trying.since;
  const unshaken = peer.lastHandshake === undefined && tried >= HESITATION;
  const known = { ...life, unshaken, called: unshaken ? life.called : undefined };
  const [state, why] = described(known, peer, tried);
  const told = turned(known, state, why, now);
  if (now >= trying.nextAt) {
    const ways = waysOf(life, peer);
    const next = { ...trying, nextAt: now + TURN, turn: trying.turn + 1 };
    const way = ways[trying.turn % Math.max(1, ways.length)];
    // A peer that is new calls its endpoint already; moving it there again would be for nothing.
    const isThere = way === peer.endpoint && peer.lastHandshake === undefined;
    const orders = { moveTo: isThere ? undefined : way, renew: false, anew: false, resolve: trying.turn > 0 };
    return [{ ...told, trying: next }, orders];
  }
  // The first call may have come before the other side knew us, and WireGuard's next one is 5 s away.
  const due = trying.since + (trying.renewals + 1) * (patient ? RENEW_LATER : RENEW);
  if (
    peer.lastHandshake === undefined &&
    peer.endpoint !== undefined &&
    trying.renewals < MOST_RENEWALS &&
    now >= due
  ) {
    const next = { ...trying, renewals: trying.renewals + 1 };
    return [
      { ...told, trying: next },
      { moveTo: undefined, renew: true, anew: false, resolve: false },
    ];
  }
  return [{ ...told, trying }, NONE];
}

/** What worked last comes first: a source address that went away is forgotten by setting the same endpoint again. */
function waysOf(life: PeerLife, peer: WireguardPeer): readonly string[] {
  const known = [life.discovered?.endpoint, ...life.configured].filter((each) => each !== undefined);
  const ways = peer.endpoint === undefined ? known : [peer.endpoint, ...known];
  return [...new Set(ways)];
}

function described(life: PeerLife, peer: WireguardPeer, tried: number): readonly [TunnelReport["state"], string] {
  const state = tried < PATIENCE ? "connecting" : "down";
  const { endpoint } = peer;
  const nowhere = endpoint === undefined && waysOf(life, peer).length === 0;
  if (nowhere && life.called === undefined) return [state, "no endpoint: the peer must call, or be found"];
  if (life.unshaken) {
    const said = life.called ?? "no call of it was heard; UDP is shut, or the keys do not fit";
    return [state, `no handshake with ${endpoint ?? "the peer"} was ever completed: ${said}`];
  }
  if (peer.lastHandshake === undefined) return [state, `no handshake with ${endpoint ?? "the peer"} yet`];
  return [state, `nothing comes back from ${endpoint ?? "the peer"}`];
}

function listen(life: PeerLife, peer: WireguardPeer | undefined, now: number): PeerLife["heard"] {
  if (peer === undefined) return { received: 0, sent: 0, at: now };
  const { heard } = life;
  // Counters begin anew with a peer that was removed and made again.
  const same = peer.received === heard.received && peer.sent >= heard.sent;
  // Of the time in which nothing was sent nothing could be answered.
  const idle = same && peer.sent === heard.sent;
  return same && !idle ? heard : { received: peer.received, sent: peer.sent, at: now };
}

function turned(life: PeerLife, state: PeerLife["state"], why: string, now: number): PeerLife {
  return { ...life, state, why, since: life.state === state ? life.since : now };
}

const SHAKEN = { unshaken: false, called: undefined } as const;
const NONE: PeerOrders = { moveTo: undefined, renew: false, anew: false, resolve: false };
/** WireGuard's REJECT_AFTER_TIME: with a session this old nothing passes. */
const REJECT_AFTER = 180_000;
/** Its KEEPALIVE_TIMEOUT + REKEY_TIMEOUT: who gets no answer to data for so long begins a new handshake. */
const SILENCE = 15_000;
/** More than keepalives (32 each 25 s) and calls (148 each 5 s) come to meanwhile: data that asks for an answer. */
const UNANSWERED = 1_000;
/** WireGuard's first call, and the second one 5 s later, have had their time. */
const HESITATION = 6_000;
const TURN = 10_000;
const CHANCE = 15_000;
const PATIENCE = 30_000;
const RENEW = 700;
const RENEW_LATER = 1_100;
const MOST_RENEWALS = 3;
const EAGER = 200;
const CALM = 1_000;
