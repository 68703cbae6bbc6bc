/** Next hops of the paths in use, and what the kernel says of them: RFC 4271 §9.1.2.1 as facts from outside. */
import type { Ip } from "../../base/address.ts";

interface Hop {
  readonly ifname: string | undefined;
  users: number;
  /** undefined: no route there. */
  metric: number | undefined;
  /** Asked for with `track`. */
  tracked: boolean;
}

export interface Tracking {
  readonly ip: Ip;
  readonly ifname: string | undefined;
  readonly wanted: boolean;
}

export class NextHops {
  readonly #hops = new Map<Ip, Hop>();
  #dirty = new Set<Ip>();

  /** Until the kernel has answered, a next hop counts as near. */
  metric(ip: Ip): number | undefined {
    const hop = this.#hops.get(ip);
    return hop === undefined ? 0 : hop.metric;
  }
  use(ip: Ip, ifname: string | undefined): void {
    const hop = this.#hops.get(ip);
    if (hop === undefined) this.#hops.set(ip, { ifname, users: 1, metric: 0, tracked: false });
    else hop.users++;
    if (hop === undefined || hop.users === 1) this.#dirty.add(ip);
  }
  unuse(ip: Ip): void {
    const hop = this.#hops.get(ip);
    if (hop === undefined) throw new TypeError("a next hop that nobody uses");
    hop.users--;
    if (hop.users === 0) this.#dirty.add(ip);
  }
  /** Whether anything changed by it. */
  learn(ip: Ip, metric: number | undefined): boolean {
    const hop = this.#hops.get(ip);
    if (hop === undefined || hop.metric === metric) return false;
    hop.metric = metric;
    return true;
  }
  /** What began or ceased to matter since the last call. */
  tracking(): readonly Tracking[] {
    if (this.#dirty.size === 0) return [];
    const changes: Tracking[] = [];
    for (const ip of this.#dirty) {
      const hop = this.#hops.get(ip);
      if (hop === undefined) continue;
      const wanted = hop.users > 0;
      if (wanted !== hop.tracked) changes.push({ ip, ifname: hop.ifname, wanted });
      hop.tracked = wanted;
      if (!wanted) this.#hops.delete(ip);
    }
    this.#dirty = new Set();
    return changes;
  }
}
