/**
 * What this host cannot hold, whatever the protocol says: the kernel refuses an address (IPv6 switched off on the
 * interface, no room).  A virtual IP moves as a unit, so somebody who can hold all of it shall have it: we say that we
 * are not eligible, for a while that doubles.  When nobody else wants it, half of it is better than nothing.
 */
import { after, type Instant, type Ms, ms, seconds } from "../../../base/unit.ts";
import type { SegmentConfig, VipId } from "../event.ts";
import type { Heartbeat } from "../packet.ts";

export class Hindrance {
  /** Until when we leave it to others, and for how long the next time. */
  readonly #hindered = new Map<VipId, { until: Instant; readonly span: Ms }>();
  /** The nodes that want it or have it, and until when they can be counted on. */
  readonly #others = new Map<VipId, Map<string, Instant>>();

  heard({ node, interval, multiplier, entries }: Heartbeat, now: Instant): void {
    const until = after(now, ms(interval * multiplier));
    for (const { vip, role } of entries) {
      const others = this.#others.get(vip) ?? new Map<string, Instant>();
      if (role === "candidate" || role === "claiming" || role === "owner") others.set(node, until);
      else others.delete(node);
      this.#others.set(vip, others);
    }
  }

  isAlone(vip: VipId, now: Instant): boolean {
    return ![...(this.#others.get(vip)?.values() ?? [])].some((until) => until > now);
  }

  add(vip: VipId, now: Instant): void {
    const before = this.#hindered.get(vip);
    const fresh = before === undefined || now > after(before.until, LONGEST);
    const span = fresh ? SHORTEST : ms(Math.min(before.span * 2, LONGEST));
    this.#hindered.set(vip, { until: after(now, span), span });
  }

  /** The next one ends after `now`. */
  nextAt(now: Instant): Instant | undefined {
    const ends = [...this.#hindered.values()].map((each) => each.until).filter((until) => until > now);
    return ends.length === 0 ? undefined : ends.reduce((a, b) => (a < b ? a : b));
  }

  /**
   * While control is silent its word on what is healthy is old: whoever else wants an address shall have it.  What nobody
   * else wants is served on, because most likely only control stands still.
   */
  applied(config: SegmentConfig, isControlSilent: boolean, now: Instant): SegmentConfig {
    const why = (vip: VipId | undefined): string | undefined => {
      if (vip === undefined) return undefined;
      if ((this.#hindered.get(vip)?.until ?? now) > now) return REFUSED;
      return isControlSilent && !this.isAlone(vip, now) ? SILENT : undefined;
    };
    const vips = config.vips.map((vip) => {
      const reason = vip.eligible ? why(vip.addresses[0]) : undefined;
      return reason === undefined ? vip : { ...vip, eligible: false, why: reason };
    });
    return { ...config, vips };
  }
}

const REFUSED = "address-refused";
const SILENT = "control-silent";
const SHORTEST = seconds(5);
const LONGEST = seconds(60);
