/**
 * The bank's two keys, made here, sealed here, never leaving: the identity key signs its messages, the witness
 * key cosigns the ledger.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#shared/platform/clock.ts';
import { assertDataVersion } from '#shared/platform/files/data-version.ts';
import { makeFolder, replaceFile, syncFolder } from '#shared/platform/files/durable-file.ts';
import { lockFolder, type FolderLock } from '#shared/platform/files/folder-lock.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { openSealedKey, sealKey, type DerivedKeys, type Secret } from '#shared/crypto/sealed-key.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** 32-byte seeds. */
export interface AgentKeys {
  readonly identity: Uint8Array;
  readonly witness: Uint8Array;
}

const NAMES = ['identity', 'witness'] as const;
const UNLOCK = join('keys', 'unlock.key');
/** Characters of 32 random bytes in base64url. */
const SECRET_LENGTH = 43;

/**
 * Opens the keys of an agent's folder, making those that are not there.
 * @param passphrase if undefined, a random key file is made to open them with
 * @throws FederationError KEY_FILE, STORAGE when somebody else is making or changing them, CONFIG for a folder of another
 *   data version
 */
export async function makeAgentKeys(
  folder: string,
  passphrase: string | undefined,
  clock: Clock = systemClock,
): Promise<AgentKeys> {
  await assertDataVersion(folder, 'agent');
  await makeFolder(join(folder, 'keys'));
  const lock = await lockKeys(folder, clock);
  try {
    if (passphrase === undefined && !existsSync(join(folder, UNLOCK)))
      await writeNew(join(folder, UNLOCK), randomBytes(32).toString('base64url'));
    const secret = await secretOf(folder, passphrase);
    const derived: DerivedKeys = new Map();
    for (const name of NAMES) await makeKey(folder, name, secret, derived);
    const [identity, witness] = [await readSealed(folder, 'identity'), await readSealed(folder, 'witness')];
    return openBoth(identity, witness, secret, derived);
  } finally {
    await lock.release();
  }
}

/** @throws FederationError KEY_FILE */
export async function openAgentKeys(folder: string, passphrase: string | undefined): Promise<AgentKeys> {
  const [identity, witness] = [await readSealed(folder, 'identity'), await readSealed(folder, 'witness')];
  return openBoth(identity, witness, await secretOf(folder, passphrase));
}

function openBoth(
  identity: unknown,
  witness: unknown,
  secret: Secret,
  derived: DerivedKeys = new Map(),
): AgentKeys {
  return {
    identity: openSealedKey(identity, secret, derived),
    witness: openSealedKey(witness, secret, derived),
  };
}

/** Keys to change to: made now, or left by a change that was cut short. @throws FederationError KEY_FILE */
export async function makeNextKeys(folder: string, passphrase: string | undefined): Promise<AgentKeys> {
  const secret = await secretOf(folder, passphrase);
  const derived: DerivedKeys = new Map();
  // The identity is made last and takes its place last. So when only the next identity is here, the next witness key
  // has taken its place already: made anew it would be another one than the ledger has, and that one lost.
  const isWitnessChanged =
    existsSync(sealedPath(folder, 'identity-next')) && !existsSync(sealedPath(folder, 'witness-next'));
  if (!isWitnessChanged) await makeKey(folder, 'witness-next', secret, derived);
  await makeKey(folder, 'identity-next', secret, derived);
  const [identity, witness] = [
    await readSealed(folder, 'identity-next'),
    await readSealed(folder, isWitnessChanged ? 'witness' : 'witness-next'),
  ];
  return openBoth(identity, witness, secret, derived);
}

/** The next keys are enrolled: they take the place of the old ones. */
export async function promoteNextKeys(folder: string): Promise<void> {
  // the identity last: as long as its next one is there, the change is not finished and can be repeated
  for (const name of [...NAMES].reverse()) {
    if (existsSync(sealedPath(folder, `${name}-next`)))
      await rename(sealedPath(folder, `${name}-next`), sealedPath(folder, name));
    await syncFolder(join(folder, 'keys')); // in this order on the disk as well
  }
}

/**
 * Whoever makes or changes keys is alone with them.
 * @throws FederationError STORAGE when somebody else is at it, KEY_FILE when there are no keys
 */
export async function lockKeys(folder: string, clock: Clock): Promise<FolderLock> {
  const keys = join(folder, 'keys');
  if (!existsSync(keys))
    throw new FederationError('KEY_FILE', `${keys} is not there; enrol first, or restore it from a backup`);
  return lockFolder(join(keys, 'lock'), clock);
}

async function makeKey(folder: string, name: string, secret: Secret, derived: DerivedKeys): Promise<void> {
  if (existsSync(sealedPath(folder, name))) return;
  const seed = new Uint8Array(randomBytes(32));
  const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
  const sealed = sealKey(seed, `${name} key`, secret, random, derived);
  await writeNew(sealedPath(folder, name), JSON.stringify(sealed));
}

async function readSealed(folder: string, name: string): Promise<unknown> {
  const path = sealedPath(folder, name);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FederationError(
      'KEY_FILE',
      `${path} cannot be read; enrol first, or restore it from a backup`,
      { cause },
    );
  }
}

async function secretOf(folder: string, passphrase: string | undefined): Promise<Secret> {
  if (passphrase !== undefined) return passphrase;
  const path = join(folder, UNLOCK);
  let secret: string;
  try {
    secret = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new FederationError('KEY_FILE', "the bank's keys need a passphrase: set TALLYSTICK_PASSPHRASE", {
      cause,
    });
  }
  if (secret.length >= SECRET_LENGTH) return utf8(secret);
  throw new FederationError(
    'KEY_FILE',
    `${path} is damaged: expected ${SECRET_LENGTH} characters, got ${secret.length}. Restore it from a backup; if no keys were made yet, delete it and enrol again`,
  );
}

function sealedPath(folder: string, name: string): string {
  return join(folder, 'keys', `${name}.json`);
}

/** Under the keys' lock, for a file that is not there: a power loss leaves none, never an empty one. */
async function writeNew(path: string, text: string): Promise<void> {
  await replaceFile(path, text, { flush: true, now: true });
}
