/**
 * What a link has carried since its quota was last reset, from counters of its interface, which begin anew at each boot
 * and with each new interface of that name.
 */
export interface Usage {
  /** "2026-11": the month in which the period began. */
  readonly period: string;
  readonly octets: number;
  /** What the counter said last, and whose counter it was. */
  readonly counted: number;
  readonly counter: string;
}

export interface Reading {
  /** Both ways. */
  readonly octets: number;
  /** Boot and interface: a counter that began at another zero has another name. */
  readonly counter: string;
}

/** Local time. */
export interface Day {
  readonly year: number;
  /** 1–12 */
  readonly month: number;
  readonly day: number;
}

/** Without a past, what the counter says already was before our time. */
export function count(usage: Usage | undefined, { octets, counter }: Reading, period: string): Usage {
  if (usage === undefined) return { period, octets: 0, counted: octets, counter };
  const more = usage.counter === counter && octets >= usage.counted ? octets - usage.counted : octets;
  return { period, octets: usage.period === period ? usage.octets + more : more, counted: octets, counter };
}

export function periodOf({ year, month, day }: Day, resetDay: number): string {
  if (day >= resetDay) return text(year, month);
  return month === 1 ? text(year - 1, 12) : text(year, month - 1);
}

function text(year: number, month: number): string {
  return `${year}-${String(month).padStart(2, "0")}`;
}
