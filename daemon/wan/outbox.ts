/**
 * Reports on their way to control.  Of many about the same thing within a moment the last one goes, and none that says
 * what the one before said.
 */
import type { Clock } from "../../base/clock.ts";
import { after, ms } from "../../base/unit.ts";
import type { FromWan } from "./words.ts";

export type Report = Extract<FromWan, { readonly kind: "link" | "link-gone" | "tunnel" | "tunnel-gone" }>;

export class Outbox implements Disposable {
  readonly #clock: Clock;
  readonly #tell: (message: FromWan) => void;
  readonly #waiting = new Map<string, Report>();
  /** Key → what was said last. */
  readonly #said = new Map<string, string>();
  #timer: Disposable | undefined;

  constructor(clock: Clock, tell: (message: FromWan) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  put(report: Report): void {
    const key = keyOf(report);
    // To the end: an order between things is kept by when they changed last.
    this.#waiting.delete(key);
    this.#waiting.set(key, report);
    this.#timer ??= this.#clock.wakeAt(after(this.#clock.now(), MOMENT), () => this.flush());
  }

  flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    for (const [key, report] of this.#waiting) {
      const gone = report.kind === "link-gone" || report.kind === "tunnel-gone";
      const text = gone ? undefined : JSON.stringify(report);
      if (this.#said.get(key) === text) continue;
      if (text === undefined) this.#said.delete(key);
      else this.#said.set(key, text);
      this.#tell(report);
    }
    this.#waiting.clear();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#waiting.clear();
  }
}

function keyOf(report: Report): string {
  switch (report.kind) {
    case "link":
      return `link ${report.link.name}`;
    case "link-gone":
      return `link ${report.name}`;
    case "tunnel":
      return `tunnel ${report.tunnel.ifname} ${report.tunnel.site}`;
    case "tunnel-gone":
      return `tunnel ${report.ifname} ${report.site}`;
  }
}

/** Long enough for a change of many links to be one, too short to be waited for. */
const MOMENT = ms(5);
