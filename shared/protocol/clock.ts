/** The clock is an argument everywhere; processes pass `systemClock`, tests pass one they move by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}
