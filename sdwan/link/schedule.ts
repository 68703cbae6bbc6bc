/**
 * When to measure: the five fields of crontab(5), and a window of the day.
 * Left out on purpose: names of months and days, `@daily` and its kin, ranges that wrap around.
 */
export interface Minute {
  /** 0–59, 0–23, 1–31, 1–12 */
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  /** 0 = Sunday. */
  readonly weekday: number;
}

export interface Schedule {
  readonly fields: readonly [Field, Field, Field, Field, Field];
}

interface Field {
  readonly values: ReadonlySet<number>;
  /** "*" or "*\/n": says nothing about the other of the two fields for days. */
  readonly any: boolean;
}

/** undefined when it is not of that form. */
export function parseSchedule(text: string): Schedule | undefined {
  const parts = text.trim().split(/\s+/);
  const fields = RANGES.map(([least, most], index) => parseField(parts[index] ?? "", least, most));
  const [minute, hour, day, month, weekday] = fields;
  if (parts.length !== RANGES.length) return undefined;
  if (!minute || !hour || !day || !month || !weekday) return undefined;
  // Sunday has two numbers.
  const days = new Set([...weekday.values].map((each) => each % 7));
  return { fields: [minute, hour, day, month, { ...weekday, values: days }] };
}

export function isDue({ fields }: Schedule, at: Minute): boolean {
  const [minute, hour, day, month, weekday] = fields;
  if (!minute.values.has(at.minute) || !hour.values.has(at.hour) || !month.values.has(at.month)) return false;
  const [byDay, byWeekday] = [day.values.has(at.day), weekday.values.has(at.weekday)];
  // crontab(5): when both are restricted, either will do.
  return day.any || weekday.any ? byDay && byWeekday : byDay || byWeekday;
}

/** "22:00-04:00" goes over midnight; the end does not belong to it. */
export function isInside(window: string | undefined, { hour, minute }: Pick<Minute, "hour" | "minute">): boolean {
  if (window === undefined) return true;
  const [from, to] = window.split("-").map((each) => {
    const [hours, minutes] = each.split(":").map(Number);
    return (hours ?? 0) * 60 + (minutes ?? 0);
  });
  if (from === undefined || to === undefined) return true;
  const now = hour * 60 + minute;
  return from <= to ? now >= from && now < to : now >= from || now < to;
}

function parseField(text: string, least: number, most: number): Field | undefined {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const found = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (found === null) return undefined;
    const [, first, last, every] = found;
    const [low, high, step] = [Number(first ?? least), Number(last ?? first ?? most), Number(every ?? 1)];
    if (low < least || high > most || low > high || step < 1) return undefined;
    for (let value = low; value <= high; value += step) values.add(value);
  }
  return { values, any: text.startsWith("*") };
}

const RANGES = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;
