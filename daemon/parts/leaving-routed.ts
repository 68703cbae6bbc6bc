/**
 * Virtual IPs for routers that a reload removed, on their way out: first they are announced no more (they stay planned,
 * but not eligible), then, when routers have had a moment to look elsewhere, their listeners close and routing forgets them.
 */
import { after, type Instant, ms, seconds } from "../../base/unit.ts";
import type { Desired } from "../desired/desired.ts";
import type { RoutedVip, RoutingPlan } from "../routing/words.ts";
import { type Carried, carriedBy, withCarried } from "./carried.ts";

interface LeavingVip extends Carried {
  readonly vip: RoutedVip;
  /** The plan that it was announced by: its peers stay until they know. */
  readonly plan: RoutingPlan;
  since?: Instant;
  releasedAt?: Instant;
}

export class LeavingRouted {
  readonly #vips = new Map<string, LeavingVip>();

  get size(): number {
    return this.#vips.size;
  }

  /** `before` is in force, `next` shall be. */
  compare(before: Desired, next: Desired): void {
    const names = new Set(next.routing?.vips.map(({ name }) => name));
    for (const name of this.#vips.keys()) if (names.has(name)) this.#vips.delete(name);
    for (const vip of before.routing?.vips ?? []) {
      if (names.has(vip.name) || this.#vips.has(vip.name) || before.routing === undefined) continue;
      const addresses = vip.addresses.map((each) => each.slice(0, each.indexOf("/")));
      this.#vips.set(vip.name, { vip, plan: before.routing, ...carriedBy(addresses, before) });
    }
  }

  /** One step for those that the configuration in force does not have any more; `wake` asks for another one. */
  advance(now: Instant, announced: (vip: string) => boolean, wake: (at: Instant) => void): void {
    for (const [name, vip] of this.#vips) {
      if (vip.since === undefined) {
        vip.since = now;
        wake(after(now, LONGEST_RELEASE));
        if (announced(name)) continue;
      }
      if (vip.releasedAt === undefined && (!announced(name) || now >= after(vip.since, LONGEST_RELEASE))) {
        vip.releasedAt = now;
        wake(after(now, LINGER));
      }
      if (vip.releasedAt !== undefined && now >= after(vip.releasedAt, LINGER)) this.#vips.delete(name);
    }
  }

  carried(wanted: Pick<Desired, "proxy" | "sockets">): Pick<Desired, "proxy" | "sockets"> {
    return withCarried(wanted, this.#vips);
  }

  planned(plan: RoutingPlan | undefined): RoutingPlan | undefined {
    const [first] = this.#vips.values();
    if (first === undefined) return plan;
    const left = [...this.#vips.values()].filter(
      ({ vip }) => plan?.vips.every(({ name }) => name !== vip.name) !== false,
    );
    return {
      bgp: plan?.bgp ?? first.plan.bgp,
      ospf: plan === undefined || plan.ospf.length === 0 ? first.plan.ospf : plan.ospf,
      vips: [...(plan?.vips ?? []), ...left.map(({ vip }) => ({ ...vip, eligible: false, why: "REMOVED" }))],
    };
  }
}

/** Then a routing process that does not answer is not waited for. */
const LONGEST_RELEASE = seconds(3);
/** Routers need a moment to send elsewhere. */
const LINGER = ms(500);
