import type { Clock } from '#shared/protocol/clock.ts';

export const systemClock: Clock = {
  // oxlint-disable-next-line no-restricted-properties -- the one place where the time is read
  now: () => Date.now(),
};
