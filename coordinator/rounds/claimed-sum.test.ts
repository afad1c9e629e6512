import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { restoreClaim } from '#coordinator/rounds/claimed-sum.ts';
import { RunningSum } from '#coordinator/rounds/running-sum.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

const VECTORS = [
  Uint32Array.of(0xffff_ffff, 5, 9),
  Uint32Array.of(2, 6, 0xffff_ffff),
  Uint32Array.of(1, 7, 3),
];
const CARRIES = Uint8Array.of(1, 0, 1);

test.each([
  ['gone', undefined],
  ['cut short', CARRIES.subarray(0, 1)],
  ['as long, with other content', new Uint8Array(3)],
])(
  'what is above the words of a claimed sum is there again after a restart that found it %s',
  async (_how, left) => {
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-claim-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const root = vectorRoot(CARRIES);
    const before = await BodyStore.open(folder);
    for (const vector of VECTORS) await before.put(vectorRoot(vector), bytesOf(vector));
    await before.put(root, CARRIES);
    if (left === undefined) await rm(before.path(root));
    else await writeFile(before.path(root), left);

    const bodies = await BodyStore.open(folder);
    const asked = { kind: 'any', hash: '', ring: 'u32', length: 3, fields: [] } as const;
    const sum = new RunningSum(asked, bodies, 'claimed');
    for (const [index, vector] of VECTORS.entries()) await sum.add(index, vectorRoot(vector));
    expect([...sum.words]).toEqual([2, 18, 11]);
    const maskedSum = { words: vectorRoot(sum.words), carries: root };
    await restoreClaim({ masked: { fixed: { maskedSum } } } as unknown as OpenRound, sum, bodies);
    expect(new Uint8Array(await (await BodyStore.open(folder)).read(root))).toEqual(CARRIES);
  },
);
