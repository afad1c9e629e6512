/**
 * The time that entries have and deadlines are held against: it never goes back, and never stands still. When the
 * machine's clock has been ahead and is put back, it goes on from where it was at nine tenths of the speed until the
 * machine's clock has caught up: neither the ledger nor the deadlines of its rounds wait for that.
 */
import type { Clock } from '#shared/protocol/clock.ts';

const CATCHING_UP = 0.9;

export class LedgerClock implements Clock {
  private readonly machine: Clock;
  /** When the machine's clock was last looked at, by itself. */
  private seen: number;
  private time: number;

  /** @param lastTime of the ledger's last entry */
  constructor(machine: Clock, lastTime: number) {
    this.machine = machine;
    this.seen = machine.now();
    this.time = Math.max(this.seen, lastTime);
  }

  /** @param time of an entry that another has written meanwhile */
  notBefore(time: number): void {
    this.time = Math.max(this.time, time);
  }

  now(): number {
    const now = this.machine.now();
    const passed = Math.max(0, now - this.seen); // a jump back says nothing of how much time has passed
    this.seen = now;
    this.time = Math.max(now, this.time + CATCHING_UP * passed);
    return Math.floor(this.time);
  }
}
