import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LedgerClock } from '#coordinator/journal/ledger-clock.ts';

const HOUR = 3_600_000;

function clockAt(start: number, lastTime = 0) {
  const machine = { time: start, now: () => machine.time };
  return { machine, clock: new LedgerClock(machine, lastTime) };
}

test('is the clock of the machine while that goes forward', () => {
  const { machine, clock } = clockAt(1000);
  for (const time of [1000, 1001, 5000, 5000, 9 * HOUR]) {
    machine.time = time;
    expect(clock.now()).toBe(time);
  }
});

test('does not go back when the machine does, and goes on a little slower until they agree', () => {
  const { machine, clock } = clockAt(10 * HOUR);
  expect(clock.now()).toBe(10 * HOUR);
  machine.time = 9 * HOUR;
  expect(clock.now()).toBe(10 * HOUR);
  machine.time += 1000;
  expect(clock.now()).toBe(10 * HOUR + 900);
  machine.time = 9 * HOUR + 5 * HOUR;
  expect(clock.now()).toBe(10 * HOUR + 4.5 * HOUR);
  machine.time = 9 * HOUR + 10 * HOUR;
  expect(clock.now()).toBe(19 * HOUR);
  machine.time += 1234;
  expect(clock.now()).toBe(19 * HOUR + 1234);
});

test('begins at the last entry when the machine is behind it, and does not stand still there', () => {
  const { machine, clock } = clockAt(5 * HOUR, 29 * HOUR);
  expect(clock.now()).toBe(29 * HOUR);
  machine.time += 10_000;
  expect(clock.now()).toBe(29 * HOUR + 9000);
});

test('never goes back, whatever the machine does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1e13 })), (times) => {
      const { machine, clock } = clockAt(0);
      let before = 0;
      for (const time of times) {
        machine.time = time;
        const now = clock.now();
        expect(now).toBeGreaterThanOrEqual(Math.max(before, time));
        before = now;
      }
    }),
  );
});
