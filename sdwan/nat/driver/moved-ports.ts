/**
 * A birthday moves a device's port, for all of its peers.  Those behind a gateway may have opened it for the old one alone,
 * so a port is not moved away under them; and when nobody is reached by the moved one any more, the plan's has it back:
 * that is where others expect the device.
 */
import { after, type Instant, seconds } from "../../../base/unit.ts";
import type { TunnelView } from "../../overlay/driver/words.ts";
import type { Meeting } from "../meeting.ts";

export interface Sitting {
  readonly view: TunnelView;
  readonly meeting: Meeting;
}

export class MovedPorts {
  /** Device → since when its moved port has been of no use. */
  readonly #idle = new Map<string, Instant>();

  /** Devices whose port shall be the plan's again. */
  idle(sittings: Iterable<Sitting>, planned: (ifname: string) => number | undefined, now: Instant): readonly string[] {
    const moved = new Map<string, boolean>();
    for (const { view, meeting } of sittings) {
      const port = planned(view.ifname);
      if (port === undefined || port === view.listenPort) continue;
      const isUsed = isBound({ view, meeting }) || meeting.attempt !== undefined;
      moved.set(view.ifname, isUsed || moved.get(view.ifname) === true);
    }
    for (const ifname of this.#idle.keys()) if (moved.get(ifname) !== false) this.#idle.delete(ifname);
    return [...moved].flatMap(([ifname, isUsed]) => {
      if (isUsed) return [];
      const since = this.#idle.get(ifname) ?? now;
      this.#idle.set(ifname, since);
      return now >= after(since, LONG) ? [ifname] : [];
    });
  }
}

/** Reached where it would not follow: behind a gateway that may let in only whom it knows. */
export function isBound({ view, meeting }: Sitting): boolean {
  return meeting.direct && view.found !== "configured" && meeting.theirMapping !== "none";
}

/** WireGuard had its chances by then. */
const LONG = seconds(30);
