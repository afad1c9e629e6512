import type { Clock } from '#shared/protocol/clock.ts';

export const systemClock: Clock = {
  // oxlint-disable-next-line no-restricted-properties -- the one place where the agent reads the time
  now: () => Date.now(),
};
