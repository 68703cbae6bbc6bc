/**
 * L2 virtual IPs that a reload removed, on their way out in the order of a stop: pulse releases the address first (it stays
 * planned, but not eligible, so that flows are handed over under the key that the peers know), its listeners close when
 * that is done, and pulse forgets it when the hand-over is over.
 * Left out on purpose: a virtual IP that keeps its name and changes its address is not handed over.
 */
import { after, type Instant, ms, seconds } from "../../base/unit.ts";
import type { SegmentPlan, VipPlan, VipSpec } from "../../netstack/vip/plan.ts";
import type { Desired } from "../desired/desired.ts";
import { type Carried, carriedBy, withCarried } from "./carried.ts";

interface LeavingVip extends Carried {
  readonly spec: VipSpec;
  readonly segment: SegmentPlan;
  readonly key: string;
  /** When pulse was told to release it, and when it had. */
  since?: Instant;
  releasedAt?: Instant;
  closed: boolean;
}

export class Leaving {
  readonly #vips = new Map<string, LeavingVip>();

  get size(): number {
    return this.#vips.size;
  }

  /** `before` is in force, `next` shall be. */
  compare(before: Desired, next: Desired): void {
    const specs = next.vips.segments.flatMap(({ vips }) => vips);
    const names = new Set(specs.map(({ name }) => name));
    const addresses = new Set(specs.flatMap(addressesOf));
    const stays = (spec: VipSpec): boolean =>
      names.has(spec.name) || addressesOf(spec).some((address) => addresses.has(address));
    for (const [name, { spec }] of this.#vips) if (stays(spec)) this.#vips.delete(name);
    for (const segment of before.vips.segments) {
      for (const spec of segment.vips) {
        if (!stays(spec)) this.#vips.set(spec.name, leaving(spec, segment, before));
      }
    }
  }

  /** One step for those that the configuration in force does not have any more; `wake` asks for another one. */
  advance(now: Instant, owns: (vip: string) => boolean, wake: (at: Instant) => void): void {
    for (const [name, vip] of this.#vips) {
      if (vip.since === undefined) {
        vip.since = now;
        wake(after(now, LONGEST_RELEASE));
        wake(after(now, HANDOVER));
        if (owns(name)) continue;
      }
      if (vip.releasedAt === undefined && (!owns(name) || now >= after(vip.since, LONGEST_RELEASE))) {
        vip.releasedAt = now;
        wake(after(now, LINGER));
      }
      if (vip.releasedAt !== undefined && now >= after(vip.releasedAt, LINGER)) vip.closed = true;
      if (now >= after(vip.since, HANDOVER)) this.#vips.delete(name);
    }
  }

  /** What the data planes shall carry: the wanted, and the listeners of what is not released yet. */
  carried(wanted: Pick<Desired, "proxy" | "sockets">): Pick<Desired, "proxy" | "sockets"> {
    return withCarried(
      wanted,
      [...this.#vips].filter(([, { closed }]) => !closed),
    );
  }

  /** What pulse shall do: `plan`, and to release what that does not have any more. */
  planned(plan: VipPlan): VipPlan {
    const known = new Set(plan.segments.flatMap(({ vips }) => vips.map(({ name }) => name)));
    const segments = new Map(plan.segments.map((segment) => [segment.ifname, segment]));
    let { key } = plan;
    for (const vip of this.#vips.values()) {
      if (known.has(vip.spec.name)) continue;
      if (key === "") ({ key } = vip);
      const segment = segments.get(vip.segment.ifname) ?? { ...vip.segment, vips: [] };
      const spec: VipSpec = { ...vip.spec, eligible: false, why: "REMOVED" };
      segments.set(segment.ifname, { ...segment, vips: [...segment.vips, spec] });
    }
    return { ...plan, key, segments: [...segments.values()].toSorted((a, b) => (a.ifname < b.ifname ? -1 : 1)) };
  }
}

function leaving(spec: VipSpec, segment: SegmentPlan, before: Desired): LeavingVip {
  return { spec, segment, key: before.vips.key, ...carriedBy(addressesOf(spec), before), closed: false };
}

function addressesOf({ address4, address6 }: VipSpec): readonly string[] {
  return [address4, address6].filter((each) => each !== undefined).map((each) => each.slice(0, each.indexOf("/")));
}

/** Then the leases of a pulse that does not answer are over. */
const LONGEST_RELEASE = seconds(3);
/** As at a stop: connections that began just before may still be half open. */
const LINGER = ms(500);
/** As long as pulse has flows handed back after a release. */
const HANDOVER = seconds(30);
