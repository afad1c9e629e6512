/**
 * For the operator on the same machine: the folder of a running coordinator tells where it listens, and, from
 * the first start on, holds a first operator token readable by its owner only.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Coordinator } from '#coordinator/coordinator.ts';
import { newToken } from '#coordinator/participants/access.ts';
import { addToken, removeToken } from '#coordinator/participants/tokens.ts';

const NAME = 'first-operator';
const DAYS = 90;
/** A start makes another when no operator's token is good for longer: nobody is locked out who can start it. */
const ENDS_SOON_MS = 14 * 86_400_000;

export async function leaveLocalAccess(dataDir: string, coordinator: Coordinator): Promise<void> {
  const { tokens, journal } = coordinator;
  const until = journal.now() + ENDS_SOON_MS;
  if (!tokens.list().some(({ role, expiresAt }) => role === 'operator' && expiresAt > until)) {
    const token = newToken('operator');
    const name = tokens.list().some((other) => other.name === NAME) ? `${NAME}-${journal.now()}` : NAME;
    // the file first: a token nobody knows would lock everybody out
    await writeFile(join(dataDir, 'operator.token'), `${token}\n`, { mode: 0o600, flush: true });
    await addToken({ name, role: 'operator', days: DAYS, token }, undefined, coordinator);
    for (const old of tokens.list())
      if (old.name.startsWith(NAME) && old.name !== name) await removeToken(old.name, undefined, coordinator);
  }
  await writeFile(join(dataDir, 'url'), `${coordinator.url}\n`);
}

export async function removeLocalAccess(dataDir: string): Promise<void> {
  await rm(join(dataDir, 'url'), { force: true });
}
