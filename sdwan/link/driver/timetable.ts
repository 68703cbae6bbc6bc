/** Says which links are to be measured now, by their schedules, once a minute in this host's local time. */

import type { Clock } from "../../../base/clock.ts";
import { after, ms } from "../../../base/unit.ts";
import type { LinkSpec } from "../../underlay-plan.ts";
import { isDue, isInside, type Minute, parseSchedule, type Schedule } from "../schedule.ts";

export class Timetable implements Disposable {
  readonly #clock: Clock;
  readonly #wall: () => number;
  readonly #due: (link: string) => void;
  #entries: readonly { readonly link: string; readonly schedule: Schedule; readonly window: string | undefined }[] = [];
  #alarm: Disposable | undefined;
  /** The last minute that was looked at, since the epoch. */
  #seen = 0;

  constructor(clock: Clock, wall: () => number, due: (link: string) => void) {
    this.#clock = clock;
    this.#wall = wall;
    this.#due = due;
  }

  plan(specs: readonly LinkSpec[]): void {
    this.#entries = specs.flatMap(({ name, bandwidthTest }) => {
      if (bandwidthTest?.schedule === undefined) return [];
      const schedule = parseSchedule(bandwidthTest.schedule);
      if (schedule === undefined)
        throw new TypeError(`the plan says ${bandwidthTest.schedule} where a schedule belongs`);
      return [{ link: name, schedule, window: bandwidthTest.window }];
    });
    if (this.#entries.length === 0) this[Symbol.dispose]();
    else if (this.#alarm === undefined) this.#begin();
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = undefined;
  }

  /** From the next full minute on: what begins in the middle of one has missed it. */
  #begin(): void {
    this.#seen = Math.floor(this.#wall() / MINUTE);
    this.#arm();
  }

  #arm(): void {
    const wait = MINUTE - (this.#wall() % MINUTE);
    this.#alarm = this.#clock.wakeAt(after(this.#clock.now(), ms(wait)), () => this.#look());
  }

  /** Those that were missed by a little, too; not those that a host slept through. */
  #look(): void {
    const now = Math.floor(this.#wall() / MINUTE);
    const from = Math.max(this.#seen + 1, now - MISSED);
    this.#seen = now;
    const due = new Set<string>();
    for (let minute = from; minute <= now; minute++) {
      const at = minuteOf(minute * MINUTE);
      for (const { link, schedule, window } of this.#entries)
        if (isDue(schedule, at) && isInside(window, at)) due.add(link);
    }
    this.#arm();
    for (const link of due) this.#due(link);
  }
}

function minuteOf(wall: number): Minute {
  const at = new Date(wall);
  return {
    minute: at.getMinutes(),
    hour: at.getHours(),
    day: at.getDate(),
    month: at.getMonth() + 1,
    weekday: at.getDay(),
  };
}

const MINUTE = 60_000;
const MISSED = 2;
