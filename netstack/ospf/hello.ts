/** A hello was received.  Standards: RFC 2328 §10.5, RFC 5340 §4.2.2.1; RFC 3623 §2.2, §3.2 while somebody restarts. */
import type { Ip } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import { sendHello, wireSeconds } from "./hello-out.ts";
import { neighborEvent, newNeighbor, note } from "./neighbor.ts";
import { OPTION_E, OPTION_N } from "./packet/lsa.ts";
import type { Hello } from "./packet/packet.ts";
import { atLeast, type Interface, type Neighbor, refuse, type State } from "./state.ts";

export function helloReceived(state: State, iface: Interface, source: Ip, hello: Hello, now: Instant): void {
  const wrong = unsuitable(state, iface, hello);
  if (wrong !== undefined) {
    note(iface, state.dialect.neighborKey(iface.spec, source, hello.routerId), wrong);
    return refuse(iface, wrong);
  }
  const neighbor = admit(state, iface, source, hello, now);
  if (neighbor === undefined) return;
  const { spec } = iface;
  const point = spec.type === "point-to-point";
  const was = { priority: neighbor.priority, dr: neighbor.dr, bdr: neighbor.bdr };
  const known = atLeast(neighbor, "init");
  // While it restarts it is for us what it was before (RFC 3623 §3.2): its hellos do not yet say what it knows.
  const asBefore = neighbor.helping !== undefined;
  if (!asBefore) Object.assign(neighbor, { priority: hello.priority, dr: hello.dr, bdr: hello.bdr });
  if (neighbor.interfaceId !== hello.interfaceId) state.origin.dirty = true;
  neighbor.interfaceId = hello.interfaceId;
  neighborEvent(state, neighbor, "hello-received", now);

  neighbor.mutual = hello.neighbors.includes(state.routerId);
  if (!neighbor.mutual) {
    if (neighbor.helping === undefined) neighborEvent(state, neighbor, "1-way", now);
    replyNbma(state, neighbor);
    return;
  }
  neighborEvent(state, neighbor, "2-way-received", now);
  if (point) return;

  const identity = state.dialect.identityOf(neighbor);
  if (was.priority !== neighbor.priority && known) iface.changes.add("neighbor-change");
  if (state.restart.kind === "restarting" && iface.state === "waiting") wereDesignated(state, iface, hello);
  if (neighbor.dr === identity && neighbor.bdr === 0 && iface.state === "waiting") iface.changes.add("backup-seen");
  else if (known && (was.dr === identity) !== (neighbor.dr === identity)) iface.changes.add("neighbor-change");
  if (neighbor.bdr === identity && iface.state === "waiting") iface.changes.add("backup-seen");
  else if (known && (was.bdr === identity) !== (neighbor.bdr === identity)) iface.changes.add("neighbor-change");
  replyNbma(state, neighbor);
}

/** Sub-second intervals are agreed upon outside: 0 on the wire compares with nothing. */
function unsuitable(state: State, iface: Interface, hello: Hello) {
  const { spec } = iface;
  const ours = wireSeconds(spec.hello);
  if (ours > 0 && hello.helloInterval > 0 && hello.helloInterval !== ours) return "hello-interval-mismatch";
  if (hello.deadInterval !== Math.max(1, wireSeconds(spec.dead))) return "dead-interval-mismatch";
  const mask = state.dialect.checkHello(iface, hello);
  if (mask !== undefined) return mask;
  const compared = OPTION_E | OPTION_N;
  if ((hello.options & compared) !== (state.dialect.options(iface.area) & compared)) return "options-mismatch";
  return undefined;
}

function admit(state: State, iface: Interface, source: Ip, hello: Hello, now: Instant): Neighbor | undefined {
  const { spec } = iface;
  const key = state.dialect.neighborKey(spec, source, hello.routerId);
  let neighbor = iface.neighbors.get(key);
  if (neighbor === undefined) {
    if (iface.neighbors.size >= MOST_NEIGHBORS) {
      refuse(iface, "too-many-neighbors");
      return undefined;
    }
    if (spec.type === "nbma" && spec.neighbors.length > 0 && !spec.neighbors.some((each) => each.address === key)) {
      refuse(iface, "neighbor-not-configured");
      return undefined;
    }
  } else if (neighbor.routerId !== hello.routerId && neighbor.routerId !== 0) {
    // v2 on a network: another router has the address now.  What we have with its predecessor ends here.
    refuse(iface, "router-id-changed");
    neighborEvent(state, neighbor, "kill-nbr", now, "router-id-changed");
    neighbor = iface.neighbors.get(key);
  }
  neighbor ??= newNeighbor(iface, key, { routerId: hello.routerId, address: source }, now);
  neighbor.routerId = hello.routerId;
  if (neighbor.address !== source) {
    neighbor.address = source;
    state.origin.dirty = true;
    changed(state.backoff, now);
  }
  return neighbor;
}

/** RFC 3623 §2.2: the neighbors say that we are the designated router, so we were, and go on. */
function wereDesignated(state: State, iface: Interface, hello: Hello): void {
  const identity = state.dialect.identity(state, iface);
  if (hello.dr === identity) {
    iface.dr = identity;
    iface.changes.add("backup-seen");
  } else if (hello.bdr === identity) {
    iface.bdr = identity;
    iface.changes.add("backup-seen");
  }
}

/** §10.5, at its end: who is not eligible answers those that are. */
function replyNbma(state: State, neighbor: Neighbor): void {
  const { iface } = neighbor;
  if (iface.spec.type !== "nbma" || iface.spec.priority > 0 || neighbor.priority === 0) return;
  const identity = state.dialect.identityOf(neighbor);
  if (identity !== iface.dr && identity !== iface.bdr) sendHello(state, iface, neighbor.address);
}

const MOST_NEIGHBORS = 128;
