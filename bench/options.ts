/** What every bench is told. */
export interface BenchOptions {
  /** One short round in under 50 s. */
  readonly quick: boolean;
  /** Rounds instead of the bench's own number. */
  readonly rounds?: number;
}
