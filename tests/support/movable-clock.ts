import type { Clock } from '#shared/protocol/clock.ts';

/** The real time plus what a test has added to it. Timers do not notice; what happens next does. */
export class MovableClock implements Clock {
  private ahead = 0;

  now(): number {
    return Date.now() + this.ahead;
  }

  advance(ms: number): void {
    this.ahead += ms;
  }
}
