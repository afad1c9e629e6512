/**
 * How often an address has shown tokens that nobody has: a guess of 256 random bits is hopeless, but it must not
 * be free either. Counted in whole minutes, in memory.
 */
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** An agent whose socket broke shows its last token a few times; many agents may share one address. */
const PER_MINUTE_MAX = 60;
const WINDOW_MS = 60_000;
/** More addresses than that in a minute: the count starts anew rather than fill the memory. */
const ADDRESSES_MAX = 10_000;

export class FailedAttempts {
  private readonly clock: Clock;
  private readonly counts = new Map<string, number>();
  private windowEndsAt = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @throws FederationError RATE_LIMIT when this address had too many in this minute */
  count(address: string): void {
    const now = this.clock.now();
    if (
      now >= this.windowEndsAt ||
      now < this.windowEndsAt - WINDOW_MS ||
      this.counts.size >= ADDRESSES_MAX
    ) {
      this.counts.clear();
      this.windowEndsAt = now + WINDOW_MS;
    }
    const count = (this.counts.get(address) ?? 0) + 1;
    this.counts.set(address, count);
    if (count > PER_MINUTE_MAX) {
      throw new FederationError(
        'RATE_LIMIT',
        `more than ${PER_MINUTE_MAX} unknown tokens a minute from this address; wait and try again`,
      );
    }
  }
}
