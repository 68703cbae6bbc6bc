/**
 * What Node starts pulse with.  It does the same few things some thirty times a second, for months: V8, which optimizes
 * what is called often, would take minutes to notice.  And it is quiet: one thread for V8's own work is plenty.
 */
export const PULSE_FLAGS: readonly string[] = [
  "--invocation-count-for-maglev=100",
  "--invocation-count-for-turbofan=400",
  "--minimum-invocations-after-ic-update=100",
  "--v8-pool-size=1",
];
