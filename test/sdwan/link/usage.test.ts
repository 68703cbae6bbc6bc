/** Counting towards a quota, and when to measure. */
import { describe, expect, test } from "vitest";
import { isDue, isInside, type Minute, parseSchedule } from "../../../sdwan/link/schedule.ts";
import { count, periodOf } from "../../../sdwan/link/usage.ts";

describe("usage", () => {
  const first = count(undefined, { octets: 5000, counter: "boot1 3" }, "2026-11");
  test("what the counter said before our time is not ours to count", () => {
    expect(first.octets).toBe(0);
    expect(count(first, { octets: 5600, counter: "boot1 3" }, "2026-11").octets).toBe(600);
  });
  test("a reboot, a new interface, or a counter that went back: all that the new one says was since", () => {
    const some = count(first, { octets: 5600, counter: "boot1 3" }, "2026-11");
    expect(count(some, { octets: 9000, counter: "boot2 3" }, "2026-11").octets).toBe(9600);
    expect(count(some, { octets: 10, counter: "boot1 9" }, "2026-11").octets).toBe(610);
    expect(count(some, { octets: 100, counter: "boot1 3" }, "2026-11").octets).toBe(700);
  });
  test("a new period begins with what came since the last look", () => {
    const some = count(first, { octets: 5600, counter: "boot1 3" }, "2026-11");
    expect(count(some, { octets: 5650, counter: "boot1 3" }, "2026-12")).toMatchObject({
      period: "2026-12",
      octets: 50,
    });
  });
  test.each([
    [{ year: 2026, month: 11, day: 20 }, 1, "2026-11"],
    [{ year: 2026, month: 11, day: 14 }, 15, "2026-10"],
    [{ year: 2026, month: 11, day: 15 }, 15, "2026-11"],
    [{ year: 2027, month: 1, day: 1 }, 28, "2026-12"],
  ])("%o with reset day %i belongs to %s", (day, resetDay, period) => {
    expect(periodOf(day, resetDay)).toBe(period);
  });
});

describe("crontab(5)", () => {
  /** Friday, 20 November. */
  const AT: Minute = { minute: 30, hour: 3, day: 20, month: 11, weekday: 5 };
  const due = (text: string, at: Partial<Minute> = {}): boolean => {
    const schedule = parseSchedule(text);
    if (schedule === undefined) throw new Error(text);
    return isDue(schedule, { ...AT, ...at });
  };
  test.each(["30 3 * * *", "*/15 3 * * *", "0-40/10 * 20 11 5", "30 3 20 * 0", "30 3 1 * 5", "15,30 3 * 1-11 *"])(
    "%s is due",
    (text) => expect(due(text)).toBe(true),
  );
  test.each(["31 3 * * *", "30 4 * * *", "30 3 * 12 *", "30 3 20 * */2", "30 3 */3 * 5", "*/20 3 * * *"])(
    "%s is not",
    (text) => expect(due(text)).toBe(false),
  );
  test("Sunday is 0 and 7", () => {
    expect([due("30 3 * * 7", { weekday: 0 }), due("30 3 * * 0", { weekday: 0 }), due("30 3 * * 7")]).toEqual([
      true,
      true,
      false,
    ]);
  });
  test.each([
    "",
    "* * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "5-3 * * * *",
    "*/0 * * * *",
    "a * * * *",
  ])("%s is refused", (text) => expect(parseSchedule(text)).toBeUndefined());
  test("windows end before their end, and may go over midnight", () => {
    const inside = (window: string | undefined, hour: number, minute = 0): boolean =>
      isInside(window, { hour, minute });
    expect([inside(undefined, 12), inside("02:00-04:00", 2), inside("02:00-04:00", 4)]).toEqual([true, true, false]);
    expect([inside("22:00-04:00", 23, 59), inside("22:00-04:00", 3, 59), inside("22:00-04:00", 12)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
