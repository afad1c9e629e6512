/** How often each address has done something in this minute, in memory: what it may do is limited by that. */
import type { Clock } from '#shared/protocol/clock.ts';

const WINDOW_MS = 60_000;
/** More addresses than that in a minute: the counts start anew rather than fill the memory. */
const ADDRESSES_MAX = 10_000;

export class MinuteCounts {
  readonly max: number;
  private readonly clock: Clock;
  private readonly counts = new Map<string, number>();
  private endsAt = 0;

  /** @param max how often in a minute one address may */
  constructor(clock: Clock, max: number) {
    this.clock = clock;
    this.max = max;
  }

  /** @returns how often this address may do it again in this minute; negative when this was once too often */
  count(address: string): number {
    this.turn();
    if (this.counts.size >= ADDRESSES_MAX) this.counts.clear();
    const count = (this.counts.get(address) ?? 0) + 1;
    this.counts.set(address, count);
    return this.max - count;
  }

  /** Whether it has done so as often as it may. */
  isUsedUp(address: string): boolean {
    this.turn();
    return (this.counts.get(address) ?? 0) >= this.max;
  }

  /** Until the next minute. */
  get secondsLeft(): number {
    return Math.max(1, Math.ceil((this.endsAt - this.clock.now()) / 1000));
  }

  /** A clock that was put back ends the minute too. */
  private turn(): void {
    const now = this.clock.now();
    if (now < this.endsAt && now >= this.endsAt - WINDOW_MS) return;
    this.counts.clear();
    this.endsAt = now + WINDOW_MS;
  }
}
