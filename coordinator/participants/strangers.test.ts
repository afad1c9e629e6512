import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Strangers, type StrangersReport } from '#coordinator/participants/strangers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('whatever strangers do is said once a minute, with who did most and nothing of what they showed', () => {
  const reports: StrangersReport[] = [];
  const strangers = new Strangers({ now: () => Date.now() }, 1000, (report) => reports.push(report));
  for (let i = 0; i < 500; i++) strangers.failedAuthentication('192.0.2.1');
  for (let i = 0; i < 3; i++) strangers.wrongToken(`192.0.2.${i + 2}`);
  expect(strangers.mayDial('192.0.2.1')).toBe(false);
  expect(reports).toEqual([]);
  vi.advanceTimersByTime(60_000);
  expect(reports).toEqual([
    {
      ...{ tokens: 3, authentications: 500, connections: 1, addresses: 4 },
      most: [
        { address: '192.0.2.1', count: 501 },
        { address: '192.0.2.2', count: 1 },
        { address: '192.0.2.3', count: 1 },
      ],
    },
  ]);
  vi.advanceTimersByTime(600_000);
  expect(reports).toHaveLength(1);
  expect(strangers.mayDial('192.0.2.1')).toBe(true);
});
