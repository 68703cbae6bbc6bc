/**
 * Who else is on the segment, and which heartbeats to believe: each incarnation larger, each sequence larger, and from a
 * sender that has shown that it lives now by echoing what we sent lately.
 */
import { formatIp } from "../../base/address.ts";
import { after, type Instant, type Ms } from "../../base/unit.ts";
import type { Refused } from "./event.ts";
import { type Echo, type Heartbeat, MOST_PEERS, nodeId } from "./packet.ts";
import { echoesUs, hasten, hearsUs, isAlive, type Peer, type State } from "./state.ts";
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
  const echoed = echoOf(state, packet);
  const echoedAt = echoed === undefined ? undefined : sentAt(state, echoed);
  const proves = echoedAt !== undefined && now - echoedAt <= 10 * detection(state.config.timing);
  if (known !== undefined && packet.incarnation < known.incarnation && (known.proven || !proves)) {
    return refuse("stale-incarnation");
  }
  if (known?.incarnation === packet.incarnation) {
    if (packet.sequence <= known.sequence) return refuse("replayed");
  } else if (known === undefined && state.peers.size >= MOST_PEERS && !evict(state, proves, now)) {
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
  if (proves) peer.proven = true;
  if (echoed !== undefined) peer.echoed = Math.max(peer.echoed, echoed);
  if (echoedAt !== undefined && echoedAt > peer.hearsUsAt) peer.hearsUsAt = echoedAt;
  return peer;
}

/** Reports who came, went, or hears us no more; forgets who has been away for long. */
export function survey(state: State, now: Instant): void {
  for (const peer of state.peers.values()) {
    const alive = isAlive(peer, now);
    const { timing } = state.config;
    const seen = !alive ? "down" : hearsUs(peer, timing) ? "up" : "one-way";
    const tooEarly = alive && !peer.proven && echoesUs(peer, timing);
    if (seen !== peer.reported && !tooEarly) {
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

/** Every peer that we hear, and that has heard us, says that it does not hear us any more: what we send goes nowhere. */
export function isMute(state: State, now: Instant): boolean {
  let heard = false;
  for (const peer of state.peers.values()) {
    if (!isAlive(peer, now) || !peer.proven) continue;
    if (hearsUs(peer, state.config.timing)) return false;
    heard = true;
  }
  return heard;
}

export function isUs(state: State, echo: Echo): boolean {
  return echo.incarnation === state.config.incarnation && echo.id === nodeId(state.config.node);
}

/** The last of our heartbeats that the sender has heard. */
function echoOf(state: State, packet: Heartbeat): number | undefined {
  const echo = packet.echoes.find((each) => isUs(state, each));
  return echo !== undefined && echo.sequence <= state.sequence ? echo.sequence : undefined;
}

/** Notes that everything from `first` on is out. */
export function noteSent(state: State, first: number, now: Instant): void {
  const { sent, config } = state;
  const last = sent.at(-1);
  const least = detection(config.timing) / 8;
  if (last !== undefined && now - last.at < least) return;
  sent.push({ sequence: first, at: now });
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
    proven: false,
    echoed: 0,
    standings: new Map(),
    echoes: [],
    reported: undefined,
  };
  state.peers.set(packet.node, peer);
  hasten(state); // each side's next heartbeat is what proves it to the other
  if (known !== undefined) state.out.push({ kind: "event", name: "vip.peer-restarted", fields: { node: packet.node } });
  return peer;
}

/** Makes room by forgetting the peer that has been silent longest, if one is dead, or is hearsay and the new one is not. */
function evict(state: State, proves: boolean, now: Instant): boolean {
  let oldest: Peer | undefined;
  for (const peer of state.peers.values()) {
    const dispensable = !isAlive(peer, now) || (proves && !peer.proven);
    if (dispensable && (oldest === undefined || peer.heardAt < oldest.heardAt)) oldest = peer;
  }
  return oldest !== undefined && state.peers.delete(oldest.node);
}

/** How long a silent peer's incarnation and sequence guard against replays; after that a clock set back may join again. */
const FORGET = 600_000;
