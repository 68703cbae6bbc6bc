/** Schedules under a virtual clock. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../../base/clock.ts";
import { type Instant, instant } from "../../../../base/unit.ts";
import { Timetable } from "../../../../sdwan/link/driver/timetable.ts";
import type { LinkSpec } from "../../../../sdwan/underlay-plan.ts";

/** One alarm is all that is asked for at a time. */
class Virtual implements Clock {
  at = 0;
  alarm: { readonly at: Instant; readonly wake: () => void } | undefined;
  now(): Instant {
    return instant(this.at);
  }
  wakeAt(at: Instant, wake: () => void): Disposable {
    const alarm = { at, wake };
    this.alarm = alarm;
    return {
      [Symbol.dispose]: () => {
        if (this.alarm === alarm) this.alarm = undefined;
      },
    };
  }
  /** As if `late` had passed beyond the alarm before anybody looked. */
  pass(until: number, late = 0): void {
    while (this.alarm !== undefined && this.alarm.at <= until) {
      const { at, wake } = this.alarm;
      this.at = Math.max(at + late, this.at);
      this.alarm = undefined;
      wake();
    }
    this.at = Math.max(this.at, until);
  }
}

const SPEC = { name: "isp1", ifname: "wan" } as LinkSpec;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("schedules", () => {
  const zone = process.env["TZ"];
  let clock: Virtual;
  let due: string[];
  /** Friday, 20 November 2026, midnight in UTC. */
  const START = Date.UTC(2026, 10, 20);
  const table = (): Timetable =>
    new Timetable(
      clock,
      () => START + clock.at,
      (link) => due.push(`${link} ${new Date(START + clock.at).toISOString().slice(8, 16)}`),
    );
  const plan = (schedule: string | undefined, window?: string): readonly LinkSpec[] => [
    { ...SPEC, bandwidthTest: { schedule, window } },
  ];
  beforeEach(() => {
    process.env["TZ"] = "UTC";
    clock = new Virtual();
    due = [];
  });
  afterEach(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  test("each minute that is due, once", () => {
    using timetable = table();
    timetable.plan(plan("30 3 * * *"));
    clock.pass(2 * DAY);
    expect(due).toEqual(["isp1 20T03:30", "isp1 21T03:30"]);
  });
  test("only inside the window", () => {
    using timetable = table();
    timetable.plan(plan("0 * * * *", "02:00-04:00"));
    clock.pass(DAY);
    expect(due).toEqual(["isp1 20T02:00", "isp1 20T03:00"]);
  });
  test("in this host's time", () => {
    process.env["TZ"] = "Asia/Kolkata";
    using timetable = table();
    timetable.plan(plan("30 9 * * *"));
    clock.pass(DAY);
    expect(due).toEqual(["isp1 20T04:00"]);
  });
  test("a minute that was missed by a little is made up for; not what a host slept through", () => {
    using timetable = table();
    timetable.plan(plan("30 3 * * *"));
    clock.pass(3.45 * HOUR);
    clock.pass(3.6 * HOUR, 90_000);
    expect(due).toHaveLength(1);
    due = [];
    clock.pass(27.45 * HOUR);
    clock.pass(27.6 * HOUR, HOUR);
    expect(due).toEqual([]);
  });
  test("nothing to do: no alarm; a changed plan counts at once", () => {
    using timetable = table();
    timetable.plan(plan(undefined));
    expect(clock.alarm).toBeUndefined();
    timetable.plan(plan("* * * * *"));
    clock.pass(120_000);
    expect(due).toHaveLength(2);
    timetable.plan([]);
    expect(clock.alarm).toBeUndefined();
  });
});
