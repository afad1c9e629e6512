/** The coordinator's two keys, sealed in the data folder: its identity, and the ledger's. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JournalKeys } from '#coordinator/journal/journal.ts';
import { openSealedKey, sealKey } from '#shared/crypto/sealed-key.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const LOG_KEY = 'ledger.json';
/** A ledger key that is not yet, or only just, the one in force. */
const NEXT_LOG_KEY = 'ledger-next.json';

/**
 * Opens the keys, making them at the first start.
 * @throws FederationError KEY_FILE
 */
export async function openCoordinatorKeys(
  dataDir: string,
  passphrase: string | undefined,
): Promise<JournalKeys> {
  const folder = join(dataDir, 'keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secret = passphrase ?? (await keyFileSecret(join(folder, 'unlock.key')));
  return {
    coordinatorSeed: await openOrMake(join(folder, 'coordinator.json'), 'coordinator key', secret),
    logSeed: await openOrMake(join(folder, LOG_KEY), 'ledger key', secret),
    nextLogSeed: existsSync(join(folder, NEXT_LOG_KEY))
      ? await openOrMake(join(folder, NEXT_LOG_KEY), 'ledger key', secret)
      : undefined,
  };
}

/** The ledger key to change to: made now, or left by a change that was cut short. @throws FederationError KEY_FILE */
export async function openNextLogKey(dataDir: string, passphrase: string | undefined): Promise<Uint8Array> {
  const folder = join(dataDir, 'keys');
  const secret = passphrase ?? (await keyFileSecret(join(folder, 'unlock.key')));
  return openOrMake(join(folder, NEXT_LOG_KEY), 'ledger key', secret);
}

/** The next key is in force: it takes the place of the old one, which nothing needs any more. */
export async function promoteNextLogKey(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'keys');
  await rename(join(folder, NEXT_LOG_KEY), join(folder, LOG_KEY));
}

async function openOrMake(path: string, what: string, secret: string): Promise<Uint8Array> {
  if (existsSync(path)) {
    let value: unknown;
    try {
      value = JSON.parse(await readFile(path, 'utf8'));
    } catch (cause) {
      throw new FederationError('KEY_FILE', `${path} is damaged; restore it from a backup`, { cause });
    }
    return openSealedKey(value, secret);
  }
  const seed = new Uint8Array(randomBytes(32));
  const sealed = sealKey(seed, what, secret, (length) => new Uint8Array(randomBytes(length)));
  await writeFile(path, JSON.stringify(sealed), { mode: 0o600, flag: 'wx', flush: true });
  return seed;
}

/** A random secret in a file of its own, so that it can be kept on another volume than the sealed keys. */
async function keyFileSecret(path: string): Promise<string> {
  if (!existsSync(path)) {
    await writeFile(path, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true });
  }
  await chmod(path, 0o600);
  return (await readFile(path, 'utf8')).trim();
}
