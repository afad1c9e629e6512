/** The coordinator's two keys, sealed in the data folder: its identity, and the ledger's. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { JournalKeys } from '#coordinator/journal/journal.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { openSealedKey, sealKey, type DerivedKeys, type Secret } from '#shared/crypto/sealed-key.ts';
import { makeFolder, replaceFile, syncFolder } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** 32 random bytes in base64url. */
const SECRET_CHARACTERS = 43;
/** Which of the two: `coordinator` signs messages, `ledger` the ledger's heads. */
export type KeyName = 'coordinator' | 'ledger';

const fileOf = (name: KeyName): string => `${name}.json`;
/** A key that is not yet, or only just, the one in force. */
const nextFileOf = (name: KeyName): string => `${name}-next.json`;

/**
 * Opens the keys, making them at the first start.
 * @throws FederationError KEY_FILE
 */
export async function openCoordinatorKeys(
  dataDir: string,
  passphrase: string | undefined,
): Promise<JournalKeys> {
  const folder = join(dataDir, 'keys');
  await makeFolder(folder);
  const secret = passphrase ?? (await keyFileSecret(join(folder, 'unlock.key')));
  const derived: DerivedKeys = new Map(); // sealed with one salt, they cost one derivation
  const keyIn = (file: string, name: KeyName) =>
    openOrMake(join(folder, file), `${name} key`, secret, derived);
  const next = async (name: KeyName) =>
    existsSync(join(folder, nextFileOf(name))) ? keyIn(nextFileOf(name), name) : undefined;
  return {
    coordinatorSeed: await keyIn(fileOf('coordinator'), 'coordinator'),
    nextCoordinatorSeed: await next('coordinator'),
    logSeed: await keyIn(fileOf('ledger'), 'ledger'),
    nextLogSeed: await next('ledger'),
  };
}

/** The key to change to: made now, or left by a change that was cut short. @throws FederationError KEY_FILE */
export async function openNextKey(
  dataDir: string,
  passphrase: string | undefined,
  name: KeyName,
): Promise<Uint8Array> {
  const folder = join(dataDir, 'keys');
  const secret = passphrase ?? (await keyFileSecret(join(folder, 'unlock.key')));
  return openOrMake(join(folder, nextFileOf(name)), `${name} key`, secret);
}

/** The next key is in force: it takes the place of the old one, which nothing needs any more. */
export async function promoteNextKey(dataDir: string, name: KeyName): Promise<void> {
  const folder = join(dataDir, 'keys');
  await rename(join(folder, nextFileOf(name)), join(folder, fileOf(name)));
  await syncFolder(folder);
}

async function openOrMake(
  path: string,
  what: string,
  secret: Secret,
  derived: DerivedKeys = new Map(),
): Promise<Uint8Array> {
  if (existsSync(path)) {
    let value: unknown;
    try {
      value = JSON.parse(await readFile(path, 'utf8'));
    } catch (cause) {
      throw new FederationError('KEY_FILE', `${path} is damaged; restore it from a backup`, { cause });
    }
    return openSealedKey(value, secret, derived);
  }
  const seed = new Uint8Array(randomBytes(32));
  const sealed = sealKey(seed, what, secret, (length) => new Uint8Array(randomBytes(length)), derived);
  await writeWhole(path, JSON.stringify(sealed));
  return seed;
}

/** A random secret in a file of its own, so that it can be kept on another volume than the sealed keys. */
async function keyFileSecret(path: string): Promise<Secret> {
  if (!existsSync(path)) await writeWhole(path, randomBytes(32).toString('base64url'));
  await chmod(path, 0o600);
  const secret = (await readFile(path, 'utf8')).trim();
  if (secret.length >= SECRET_CHARACTERS) return utf8(secret);
  throw new FederationError(
    'KEY_FILE',
    `${path} is damaged: it has ${secret.length} characters, expected ${SECRET_CHARACTERS}; restore it from a backup`,
  );
}

/** Nothing is signed with a key that a power loss could take. */
const writeWhole = (path: string, text: string): Promise<void> =>
  replaceFile(path, text, { flush: true, now: true });
