/**
 * For the operator on the same machine: the folder of a running coordinator tells where it listens, and, from
 * the first start on, holds a first operator token readable by its owner only.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coordinator } from '#coordinator/coordinator.ts';
import { newToken } from '#coordinator/participants/access.ts';
import type { Clock } from '#shared/protocol/clock.ts';

export async function leaveLocalAccess(
  dataDir: string,
  coordinator: Coordinator,
  clock: Clock,
): Promise<void> {
  if (!coordinator.tokens.list().some(({ role }) => role === 'operator')) {
    const token = newToken('operator');
    // the file first: a token nobody knows would lock everybody out
    await writeFile(join(dataDir, 'operator.token'), `${token}\n`, { mode: 0o600, flush: true });
    await coordinator.tokens.add('first-operator', 'operator', token, clock.now());
  }
  await writeFile(join(dataDir, 'url'), `${coordinator.url}\n`);
}

export async function removeLocalAccess(dataDir: string): Promise<void> {
  await rm(join(dataDir, 'url'), { force: true });
}
