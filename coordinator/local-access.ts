/**
 * For the operator on the same machine: the folder of a running coordinator tells where it listens, and, from
 * the first start on, holds a first operator token readable by its owner only.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import type { Coordinator } from '#coordinator/coordinator.ts';
import { assertDatabaseIsThere, assertSameLedger } from '#coordinator/keys-use.ts';
import { newToken } from '#coordinator/participants/access.ts';
import { addToken, removeToken } from '#coordinator/participants/tokens.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import { TokenStore } from '#coordinator/store/token-store.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import { assertDataVersion } from '#shared/platform/files/data-version.ts';
import { replaceFile } from '#shared/platform/files/durable-file.ts';
import { lockFolder } from '#shared/platform/files/folder-lock.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const NAME = 'first-operator';
const DAYS = 90;
/** A start makes another when no operator's token is good for longer: nobody is locked out who can start it. */
const ENDS_SOON_MS = 14 * 86_400_000;

/** As `newToken` makes them. */
const OPERATOR_TOKEN = /^tally_operator_[A-Za-z0-9_-]{43}$/;

const tokenPath = (dataDir: string): string => join(dataDir, 'operator.token');

/** @returns the file with an operator's token; undefined when it is not there, or its token is worth nothing any more */
export async function leaveLocalAccess(
  dataDir: string,
  coordinator: Coordinator,
): Promise<string | undefined> {
  const { tokens, journal, url } = coordinator;
  const until = journal.now() + ENDS_SOON_MS;
  if (!tokens.list().some(({ role, expiresAt }) => role === 'operator' && expiresAt > until)) {
    // A crash before this line: nothing. After it: the token that is in the file is taken into the database below.
    let token = await readToken(dataDir);
    if (token !== undefined && !OPERATOR_TOKEN.test(token)) {
      throw new FederationError(
        'CONFIG',
        `${tokenPath(dataDir)} holds no operator's token, and nothing is overwritten; move it away and start again`,
      );
    }
    if (token !== undefined && tokens.find(token) !== undefined) {
      await rename(tokenPath(dataDir), `${tokenPath(dataDir)}.old`); // it ends soon
      token = undefined;
    }
    if (token === undefined) await writeToken(dataDir, (token = newToken('operator')));
    const name = tokens.list().some((other) => other.name === NAME) ? `${NAME}-${journal.now()}` : NAME;
    await addToken({ name, role: 'operator', days: DAYS, token }, undefined, coordinator);
    for (const old of tokens.list())
      if (old.name.startsWith(NAME) && old.name !== name) await removeToken(old.name, undefined, coordinator);
  }
  await replaceFile(join(dataDir, 'url'), `${url}\n`, { flush: false, now: false });
  return (await isGood(dataDir, tokens)) ? tokenPath(dataDir) : undefined;
}

export async function removeLocalAccess(dataDir: string): Promise<void> {
  await rm(join(dataDir, 'url'), { force: true });
}

export interface RecoveredToken {
  readonly file: string;
  /** The name of the new token; undefined when the one in the file is good, and none was made. */
  readonly name: string | undefined;
}

/**
 * Makes an operator's token for whoever has the folder and the database: all others may be lost. Only while the
 * coordinator is stopped. A token file that is worth nothing any more is kept under another name.
 * @throws FederationError STORAGE when it is running, LEDGER when this is not its database
 */
export async function recoverOperatorToken(config: CoordinatorConfig, clock: Clock): Promise<RecoveredToken> {
  const { dataDir } = config;
  await assertDataVersion(dataDir, 'coordinator', false);
  const lock = await lockFolder(join(dataDir, 'lock'), clock);
  try {
    await assertDatabaseIsThere(config);
    const db = await openDatabase(dataDir, config.databaseUrl);
    try {
      const [first] = await new EntryStore(db).page(0, 1);
      const entry = first && parseEntry(first.text);
      await assertSameLedger(config, entry && { charter: entry.hash, first: toHex(entry.leaf) });
      const tokens = await TokenStore.open(db, clock);
      const file = tokenPath(dataDir);
      if (await isGood(dataDir, tokens)) return { file, name: undefined };
      if ((await readToken(dataDir)) !== undefined) await rename(file, `${file}.old`);
      const taken = new Set(tokens.list().map(({ name }) => name));
      let name = 'recovered';
      for (let i = 2; taken.has(name); i++) name = `recovered-${i}`;
      const token = newToken('operator');
      await writeToken(dataDir, token);
      await tokens.add(name, 'operator', token, clock.now());
      return { file, name };
    } finally {
      await db.destroy();
    }
  } finally {
    await lock.release();
  }
}

async function isGood(dataDir: string, tokens: TokenStore): Promise<boolean> {
  const token = await readToken(dataDir);
  const found = token === undefined ? undefined : tokens.use(token);
  return found?.role === 'operator';
}

async function readToken(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(tokenPath(dataDir), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writeToken(dataDir: string, token: string): Promise<void> {
  return replaceFile(tokenPath(dataDir), `${token}\n`, { flush: true, now: true });
}
