/**
 * While this host stood still nothing could be heard: that time is no silence, and what came meanwhile takes as long to
 * be read.  Nothing is concluded from silence until then.
 */
import { after, type Instant, instant, ms, since } from "../../../base/unit.ts";

export class Patience {
  #until: Instant = instant(0);

  /** An alarm for `planned` rang at `now`: may silence be believed? */
  woken(planned: Instant, now: Instant): boolean {
    const late = since(planned, now);
    if (late >= STANDSTILL) {
      const until = after(now, late < MOST ? late : MOST);
      if (until > this.#until) this.#until = until;
    }
    return now >= this.#until;
  }
}

const STANDSTILL = ms(2);
const MOST = ms(50);
