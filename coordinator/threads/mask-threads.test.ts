import { readdir, readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { MaskThreads } from '#coordinator/threads/mask-threads.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { createSharedWords, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

const threads = new MaskThreads();
afterAll(() => threads.close());

const masks: Mask[] = ['a', 'b', 'c', 'd', 'e'].map((name, i) => ({
  key: sha256(utf8(name)),
  sign: i % 2 === 0 ? 'add' : 'subtract',
}));

describe('masks applied by several threads', () => {
  test.each([
    ['u32', 1001],
    ['u32', 600_003],
    ['u64', 300_001],
  ] as const)('are those applied by one: %s, %d words', async (ring, length) => {
    const [expected, words] = [createWords(ring, length), createSharedWords(ring, length)];
    for (let i = 0; i < bytesOf(words).length; i++) bytesOf(words)[i] = bytesOf(expected)[i] = (i * 31) % 251;
    applyMasks(expected, masks);
    await threads.apply(words, masks);
    expect(Buffer.compare(bytesOf(words), bytesOf(expected))).toBe(0);
  });

  test.runIf(process.platform === 'linux')('leave the processor to the event loop first', async () => {
    await threads.apply(createSharedWords('u32', 600_003), masks);
    const niceness = await Promise.all(
      (await readdir('/proc/self/task')).map(async (thread) => {
        const stat = await readFile(`/proc/self/task/${thread}/stat`, 'utf8');
        const nice = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
        return { isEventLoop: Number(thread) === process.pid, nice };
      }),
    );
    const own = niceness.find((thread) => thread.isEventLoop)!.nice;
    expect(niceness.filter(({ nice }) => nice > own).length).toBeGreaterThan(0);
  });

  test('are not lost on words that threads cannot see', async () => {
    await expect(threads.apply(createWords('u32', 600_003), masks)).rejects.toThrow('shared memory');
  });
});
