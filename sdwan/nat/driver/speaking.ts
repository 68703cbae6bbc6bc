/** When other sites are told again how things are: at once and a few times when something is new, then now and then.  Pure. */
import { after, earliest, type Instant, ms, seconds } from "../../../base/unit.ts";

export class Speaking {
  /** Site → when our words go out again, and how often they have. */
  readonly #due = new Map<string, { readonly at: Instant; readonly times: number }>();

  /** There is something new for the site. */
  begin(site: string, now: Instant): void {
    this.#due.set(site, { at: now, times: 0 });
  }

  /** Only these are spoken to. */
  keep(sites: ReadonlySet<string>): void {
    for (const site of this.#due.keys()) if (!sites.has(site)) this.#due.delete(site);
  }

  due(): Instant | undefined {
    return [...this.#due.values()].reduce<Instant | undefined>((first, { at }) => earliest(first, at), undefined);
  }

  /** `speak`: whether all is well with the site, so that it may be a while. */
  wake(now: Instant, speak: (site: string) => boolean): void {
    for (const [site, { at, times }] of this.#due) {
      if (now < at) continue;
      const well = speak(site);
      const pause = times + 1 < REPEATS ? REPEAT : well ? KEEP : AGAIN;
      this.#due.set(site, { at: after(now, pause), times: times + 1 });
    }
  }
}

const REPEATS = 4;
const REPEAT = ms(300);
const AGAIN = seconds(15);
const KEEP = seconds(30);
