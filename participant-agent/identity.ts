/** The bank's identity key: made here, sealed here, never leaves. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSealedKey, sealKey } from '#shared/crypto/sealed-key.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const SEALED = join('keys', 'identity.json');
const UNLOCK = join('keys', 'unlock.key');

export function hasIdentity(folder: string): boolean {
  return existsSync(join(folder, SEALED));
}

/**
 * Makes the 32-byte key and seals it.
 * @param passphrase if undefined, a random key file is made to open it with
 */
export async function createIdentity(folder: string, passphrase: string | undefined): Promise<Uint8Array> {
  await mkdir(join(folder, 'keys'), { recursive: true, mode: 0o700 });
  if (passphrase === undefined) {
    await writeFile(join(folder, UNLOCK), randomBytes(32).toString('base64url'), {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
  }
  const seed = new Uint8Array(randomBytes(32));
  const secret = await secretOf(folder, passphrase);
  const sealed = sealKey(seed, 'identity key', secret, (length) => new Uint8Array(randomBytes(length)));
  await writeFile(join(folder, SEALED), JSON.stringify(sealed), { mode: 0o600, flag: 'wx', flush: true });
  return seed;
}

/** @throws FederationError KEY_FILE */
export async function openIdentity(folder: string, passphrase: string | undefined): Promise<Uint8Array> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(folder, SEALED), 'utf8'));
  } catch (cause) {
    throw new FederationError(
      'KEY_FILE',
      `${join(folder, SEALED)} cannot be read; enrol first, or restore it from a backup`,
      { cause },
    );
  }
  return openSealedKey(value, await secretOf(folder, passphrase));
}

async function secretOf(folder: string, passphrase: string | undefined): Promise<string> {
  if (passphrase !== undefined) return passphrase;
  try {
    return (await readFile(join(folder, UNLOCK), 'utf8')).trim();
  } catch (cause) {
    throw new FederationError('KEY_FILE', 'the identity key needs a passphrase: set TALLYSTICK_PASSPHRASE', {
      cause,
    });
  }
}
