/** What a tool of somebody else reads of the ledger: tiles and checkpoint, put together by the rules of C2SP alone. */
import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { request } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';

const ENTRIES = 300;
const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962 section 2.1, as it is written there. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Uint8Array.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'postgres' });
  for (let i = 1; i < ENTRIES; i++)
    await coordinator.operator.post('/v1/incidents', { reason: `number ${i}` });
});

async function fetched(
  path: string,
  token = '',
): Promise<{ status: number; bytes: Buffer; headers: Headers }> {
  const response = await fetch(new URL(path, coordinator.url), {
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
  });
  return {
    status: response.status,
    bytes: Buffer.from(await response.arrayBuffer()),
    headers: response.headers,
  };
}

const hashesIn = (bytes: Buffer): Buffer[] =>
  Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));

test('the leaves of all tiles give the root of the checkpoint', async () => {
  const [, size, root] = (await fetched('/checkpoint')).bytes.toString().split('\n');
  expect(Number(size)).toBe(ENTRIES);
  const whole = await fetched('/tile/0/000');
  expect(whole.headers.get('cache-control')).toContain('immutable');
  const partial = await fetched(`/tile/0/001.p/${ENTRIES - 256}`);
  const leaves = [...hashesIn(whole.bytes), ...hashesIn(partial.bytes)];
  expect(leaves).toHaveLength(ENTRIES);
  expect(Buffer.from(treeHash(leaves)).toString('base64')).toBe(root);
  const [above] = hashesIn((await fetched('/tile/1/000.p/1')).bytes);
  expect(above).toEqual(Buffer.from(treeHash(leaves.slice(0, 256))));
});

test('the entries of a tile hash to its leaves, and are shown to auditors only', async () => {
  const token = await coordinator.makeToken('auditor');
  const { bytes } = await fetched('/tile/entries/000', token);
  const leaves = hashesIn((await fetched('/tile/0/000')).bytes);
  let offset = 0;
  for (const leaf of leaves) {
    const length = bytes.readUInt16BE(offset);
    const entry = bytes.subarray(offset + 2, offset + 2 + length);
    expect(sha256(Uint8Array.of(0), entry)).toEqual(leaf);
    offset += 2 + length;
  }
  expect(offset).toBe(bytes.length);
  expect((await request(coordinator.url, 'GET', '/tile/entries/000')).status).toBe(401);
});

test.each([
  '/tile/0/002',
  '/tile/0/001',
  '/tile/0/001.p/45',
  '/tile/0/001.p/256',
  '/tile/0/001.p/0',
  '/tile/0/x000/000',
  '/tile/0/1',
  '/tile/1/001',
  '/tile/2/000',
  '/tile/64/000',
  '/tile/0/x001/x234/067',
])('%s is not there', async (path) => {
  expect((await fetched(path, await coordinator.makeToken('auditor'))).status).toBe(404);
});
