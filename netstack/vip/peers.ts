/** Who else is on the segment, and which heartbeats to believe: each incarnation larger, each sequence larger. */
import { formatIp } from "../../base/address.ts";
import { after, type Instant, type Ms } from "../../base/unit.ts";
import type { Refused } from "./event.ts";
import { type Echo, type Heartbeat, MOST_PEERS, nodeId } from "./packet.ts";
import { hearsUs, isAlive, type Peer, type State } from "./state.ts";
import { detection } from "./timing.ts";

/** The sender as a peer with this heartbeat taken in, or undefined when it was refused. */
export function admit(state: State, packet: Heartbeat, now: Instant): Peer | undefined {
  const refuse = (why: Refused): undefined => {
    state.out.push({ kind: "refused", why, node: packet.node });
    return undefined;
  };
  if (!state.link.up) return refuse("link-down");
  if (packet.node === state.config.node) {
    return refuse(packet.incarnation === state.config.incarnation ? "own" : "name-taken");
  }
  const known = state.peers.get(packet.node);
  if (known !== undefined && packet.incarnation < known.incarnation) return refuse("stale-incarnation");
  if (known?.incarnation === packet.incarnation) {
    if (packet.sequence <= known.sequence) return refuse("replayed");
  } else if (known === undefined && state.peers.size >= MOST_PEERS && !evict(state, now)) {
    return refuse("too-many-peers");
  }
  const peer = known?.incarnation === packet.incarnation ? known : join(state, packet, known, now);
  peer.sequence = packet.sequence;
  peer.timing = { interval: packet.interval, multiplier: packet.multiplier };
  peer.mac = packet.mac;
  peer.addresses = packet.addresses;
  peer.owned = packet.owned;
  peer.heardAt = now;
  peer.echoes = packet.echoes;
  for (const echo of packet.echoes) {
    if (!isUs(state, echo) || echo.sequence > state.sequence) continue;
    peer.echoed = Math.max(peer.echoed, echo.sequence);
    const at = sentAt(state, echo.sequence);
    if (at !== undefined && at > peer.hearsUsAt) peer.hearsUsAt = at;
  }
  return peer;
}

/** Reports who came, went, or hears us no more; forgets who has been away for long. */
export function survey(state: State, now: Instant): void {
  for (const peer of state.peers.values()) {
    const alive = isAlive(peer, now);
    const seen = !alive ? "down" : hearsUs(peer, state.config.timing) ? "up" : "one-way";
    if (seen !== peer.reported) {
      peer.reported = seen;
      const { node, addresses } = peer;
      const address = addresses[0] === undefined ? "" : formatIp(addresses[0]);
      state.out.push({
        kind: "peer",
        report: { node, ifname: state.config.ifname, state: seen, address },
      });
    }
    if (now - peer.heardAt > FORGET) state.peers.delete(peer.node);
  }
}

/** Every peer that we hear says that it does not hear us: what we send goes nowhere. */
export function isMute(state: State, now: Instant): boolean {
  let heard = false;
  for (const peer of state.peers.values()) {
    if (!isAlive(peer, now)) continue;
    if (hearsUs(peer, state.config.timing)) return false;
    heard = true;
  }
  return heard;
}

export function isUs(state: State, echo: Echo): boolean {
  return echo.incarnation === state.config.incarnation && echo.id === nodeId(state.config.node);
}

/** Notes that everything up to `state.sequence` is out. */
export function noteSent(state: State, now: Instant): void {
  const { sent, config } = state;
  const last = sent.at(-1);
  const least = detection(config.timing) / 8;
  if (last !== undefined && now - last.at < least) return;
  sent.push({ sequence: state.sequence, at: now });
  const oldest = after(now, (-10 * detection(config.timing)) as Ms);
  while (sent.length > 128 || (sent[0] !== undefined && sent[0].at < oldest)) sent.shift();
}

/** When `sequence` or one before it was sent; undefined when that is long ago. */
function sentAt(state: State, sequence: number): Instant | undefined {
  for (let index = state.sent.length - 1; index >= 0; index--) {
    const each = state.sent[index];
    if (each !== undefined && each.sequence <= sequence) return each.at;
  }
  return undefined;
}

/** A new peer, or a known one that started again: nothing that it said before counts any more. */
function join(state: State, packet: Heartbeat, known: Peer | undefined, now: Instant): Peer {
  const peer: Peer = {
    node: packet.node,
    incarnation: packet.incarnation,
    sequence: 0,
    timing: { interval: packet.interval, multiplier: packet.multiplier },
    mac: packet.mac,
    addresses: packet.addresses,
    owned: packet.owned,
    firstAt: now,
    heardAt: now,
    hearsUsAt: now,
    echoed: 0,
    standings: new Map(),
    echoes: [],
    reported: undefined,
  };
  state.peers.set(packet.node, peer);
  if (known !== undefined) state.out.push({ kind: "event", name: "vip.peer-restarted", fields: { node: packet.node } });
  return peer;
}

/** Makes room by forgetting the peer that has been silent longest, if one is dead. */
function evict(state: State, now: Instant): boolean {
  let oldest: Peer | undefined;
  for (const peer of state.peers.values()) {
    if (!isAlive(peer, now) && (oldest === undefined || peer.heardAt < oldest.heardAt)) oldest = peer;
  }
  return oldest !== undefined && state.peers.delete(oldest.node);
}

/** How long a silent peer's incarnation and sequence guard against replays; after that a clock set back may join again. */
const FORGET = 600_000;
