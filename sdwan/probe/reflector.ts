/**
 * The other end of STAMP sessions: answers each probe that proves that it knows the key, once, with as many octets, and
 * counts per session what it answered.  Standards: RFC 8762 §4.3 (stateful), RFC 8972 §3, §4.
 *
 * State is kept per peer and bounded; what a stranger sends changes counters and nothing else.  A session begins with a
 * probe whose timestamp is not much older than what the peer sent last: a recording of yesterday's session is refused
 * while today's is alive.
 */
import { err, ok, type Result } from "../../base/result.ts";
import { after, type Instant, ms, seconds, since } from "../../base/unit.ts";
import {
  BASE,
  decodeSender,
  encodeReflected,
  OWN_ESTIMATE,
  type Refused,
  type Seal,
  type SenderPacket,
} from "./packet.ts";
import { ReplayWindow } from "./replay.ts";
import { asksForCounters, reflect } from "./tlv.ts";

export interface Arrival {
  /** Address and port, as one key. */
  readonly address: string;
  readonly port: number;
  readonly ttl: number;
  /** T2: milliseconds since 1970. */
  readonly receivedAt: number;
}

export interface Key {
  /** Equal for equal keys. */
  readonly id: string;
  readonly seal: Seal;
}

export type NotReflected =
  | Refused
  /** No key for its address. */
  | { readonly kind: "stranger" }
  | { readonly kind: "replayed" }
  /** A number from before the window. */
  | { readonly kind: "too-old" }
  /** A new session that begins in the past. */
  | { readonly kind: "stale" };

/** A probe to be answered: `reply` makes the answer, when the counters and the clock have been read. */
export interface Accepted {
  readonly request: Uint8Array;
  readonly sequence: number;
  readonly reflected: number;
  readonly arrival: Arrival;
  readonly seal: Seal;
}

export class Reflector {
  readonly #peers = new Map<string, Peer>();

  /** Keys of each peer's address; peers that keep one of theirs keep their sessions. */
  configure(peers: ReadonlyMap<string, readonly Key[]>): void {
    for (const [address, peer] of this.#peers) {
      const isKnown = peers.get(address)?.some(({ id }) => peer.keys.some((each) => each.id === id));
      if (isKnown !== true) this.#peers.delete(address);
    }
    for (const [address, keys] of peers) {
      const peer = this.#peers.get(address);
      if (peer === undefined) this.#peers.set(address, { keys, sessions: new Map(), newest: undefined });
      else peer.keys = keys;
    }
  }

  receive(bytes: Uint8Array, arrival: Arrival, now: Instant): Result<Accepted, NotReflected> {
    const peer = this.#peers.get(arrival.address);
    if (peer === undefined) return err({ kind: "stranger" });
    const opened = open(bytes, peer.keys);
    if (!opened.ok) return opened;
    const { packet, seal } = opened.value;
    const { sequence, at, session: id } = packet;
    const key = `${arrival.port} ${id}`;
    const session = peer.sessions.get(key) ?? begin(peer, key, at, now);
    if (session === undefined) return err({ kind: "stale" });
    const verdict = session.window.take(sequence);
    if (verdict !== "fresh") return err({ kind: verdict });
    session.heardAt = now;
    if (peer.newest === undefined || at > peer.newest.at || now > after(peer.newest.heardAt, FORGET))
      peer.newest = { at, heardAt: now };
    else peer.newest.heardAt = now;
    const reflected = session.reflected;
    session.reflected = (reflected + 1) >>> 0;
    return ok({ request: bytes, sequence, reflected, arrival, seal });
  }

  /** Sessions that are remembered. */
  get sessions(): number {
    let count = 0;
    for (const { sessions } of this.#peers.values()) count += sessions.size;
    return count;
  }
}

/** The sender wants to know what its device's counters say. */
export function wantsCounters({ request }: Accepted): boolean {
  return asksForCounters(request.subarray(BASE));
}

/** `at` is T3; the counters are those of the device, read just before; undefined: it carries other peers, too. */
export function reply(
  { request, sequence, reflected, arrival, seal }: Accepted,
  at: number,
  counters: { readonly received: number; readonly sent: number } | undefined,
): Uint8Array {
  const now =
    counters === undefined
      ? undefined
      : { reflectorRx: counters.received % 2 ** 32, reflectorTx: counters.sent % 2 ** 32 };
  const tlvs = reflect(request.subarray(BASE), { request: sequence, reply: reflected }, now, seal);
  const { receivedAt, ttl } = arrival;
  const packet = { sequence: reflected, at, estimate: OWN_ESTIMATE, receivedAt, senderTtl: ttl };
  return encodeReflected(packet, request, seal, tlvs);
}

/** With whichever key fits: a peer that is about to change its key may use either. */
function open(bytes: Uint8Array, keys: readonly Key[]): Result<{ packet: SenderPacket; seal: Seal }, Refused> {
  let refused: Refused = { kind: "bad-hmac" };
  for (const { seal } of keys) {
    const decoded = decodeSender(bytes, seal);
    if (decoded.ok) return ok({ packet: decoded.value, seal });
    refused = decoded.error;
    if (refused.kind !== "bad-hmac") break;
  }
  return err(refused);
}

interface Peer {
  keys: readonly Key[];
  readonly sessions: Map<string, Session>;
  /** The latest timestamp that the peer gave, and when it was heard last. */
  newest: { readonly at: number; heardAt: Instant } | undefined;
}
interface Session {
  readonly window: ReplayWindow;
  heardAt: Instant;
  /** Answered so far: the sequence number of the next answer. */
  reflected: number;
}

function begin(peer: Peer, key: string, at: number, now: Instant): Session | undefined {
  const { newest, sessions } = peer;
  if (newest !== undefined && at < newest.at - SKEW && since(newest.heardAt, now) < FORGET) return undefined;
  if (sessions.size >= MOST_SESSIONS) {
    let silent: string | undefined;
    let longest = now;
    for (const [each, { heardAt }] of sessions) {
      if (silent !== undefined && heardAt >= longest) continue;
      silent = each;
      longest = heardAt;
    }
    if (silent !== undefined) sessions.delete(silent);
  }
  const session = { window: new ReplayWindow(), heardAt: now, reflected: 0 };
  sessions.set(key, session);
  return session;
}

/** Of one peer: one for each path that it measures over the device, and those that it had before its last restarts. */
const MOST_SESSIONS = 16;
const SKEW = seconds(5);
/** A peer whose clock was set back is believed when its old session has been silent so long. */
const FORGET = ms(10_000);
