/** LSAs that a neighbor has not acknowledged yet.  Standards: RFC 2328 §13.6. */
import { after, type Instant, ms } from "../../base/unit.ts";
import { ageOf, type Entry } from "./lsdb.ts";
import type { Lsa } from "./packet/lsa.ts";
import { MAX_AGE } from "./packet/lsa.ts";
import { aged } from "./packet/lsa-header.ts";
import { UPDATE_OCTETS } from "./packet/packet.ts";
import { addressed, room, sendUpdates } from "./send.ts";
import type { Neighbor, State } from "./state.ts";

export function retransmit(neighbor: Neighbor, entry: Entry, now: Instant): void {
  neighbor.retransmissions.set(entry.key, entry);
  neighbor.retransmitAt ??= after(now, ms(neighbor.iface.spec.retransmit));
}
export function acknowledged(neighbor: Neighbor, key: string): void {
  neighbor.retransmissions.delete(key);
  if (neighbor.retransmissions.size === 0) neighbor.retransmitAt = undefined;
}

/** A few packets' worth of the oldest, each RxmtInterval. */
export function advanceRetransmissions(state: State, neighbor: Neighbor, now: Instant): void {
  if (neighbor.retransmitAt === undefined || now < neighbor.retransmitAt) return;
  neighbor.retransmitAt = after(now, ms(neighbor.iface.spec.retransmit));
  const lsas: Lsa[] = [];
  let octets = (room(state, neighbor.iface) - UPDATE_OCTETS) * MOST_PACKETS;
  for (const entry of neighbor.retransmissions.values()) {
    octets -= entry.lsa.raw.length;
    if (octets < 0 && lsas.length > 0) break;
    lsas.push(outgoing(entry, neighbor.iface.spec.transmitDelay, now));
  }
  neighbor.retransmitted += lsas.length;
  sendUpdates(state, neighbor.iface, [addressed(state, neighbor)], lsas);
}

/** §13.3: as it leaves, older by the time that the hop takes. */
export function outgoing(entry: Entry, transmitDelay: number, now: Instant): Lsa {
  const hop = Math.max(1, Math.round(transmitDelay / 1000));
  return aged(entry.lsa, Math.min(MAX_AGE, ageOf(entry, now) + hop));
}

const MOST_PACKETS = 8;
