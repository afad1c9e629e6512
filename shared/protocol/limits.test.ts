import { expect, test } from 'vitest';
import { LIMITS } from '#shared/protocol/limits.ts';

test('the limits fit into one another', () => {
  expect(LIMITS.entryBytesMax).toBe(2 ** 16 - 1); // the uint16 length prefix of C2SP entry bundles
  expect(LIMITS.entryBytesMax).toBeLessThan(LIMITS.pageBytesMax);
  expect(LIMITS.pageBytesMax).toBeLessThan(LIMITS.socketBytesMax);
  expect(LIMITS.vectorWordsMax * 8).toBeLessThanOrEqual(LIMITS.bodyBytesMax);
  expect(LIMITS.chunkBytes % 8).toBe(0); // a chunk holds whole words of either ring
  expect(Object.values(LIMITS).every((limit) => Number.isSafeInteger(limit) && limit > 0)).toBe(true);
});
