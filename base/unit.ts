/** Numbers that carry their unit in the type.  Casts live here and in codecs' bit slices, nowhere else. */
declare const unit: unique symbol;
export type Unit<T, Name extends string> = T & { readonly [unit]: Name };

/** A span of time in milliseconds; fractions are meaningful. */
export type Ms = Unit<number, "ms">;
/** A point on a monotonic clock, in milliseconds; comparable only with instants of the same clock. */
export type Instant = Unit<number, "instant">;

export function ms(value: number): Ms {
  return value as Ms;
}
export function seconds(value: number): Ms {
  return (value * 1000) as Ms;
}
export function instant(value: number): Instant {
  return value as Instant;
}
export function after(at: Instant, span: Ms): Instant {
  return (at + span) as Instant;
}
export function since(from: Instant, to: Instant): Ms {
  return (to - from) as Ms;
}
/** The earlier of two deadlines; undefined stands for "never". */
export function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}
