/** Whether the keys in the data folder are those of the ledger in the database. */
import type { CoordinatorConfig } from '#coordinator/config.ts';
import type { Journal, JournalKeys } from '#coordinator/journal/journal.ts';
import { promoteNextKey } from '#coordinator/keys.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';

/** Changes of keys that were cut short after their entry was written. */
export async function settleKeys(dataDir: string, keys: JournalKeys, { state }: Journal): Promise<void> {
  const isInForce = (seed: Uint8Array | undefined, key: string | undefined): boolean =>
    seed !== undefined && toBase64Url(publicKeyOf(seed)) === key;
  if (isInForce(keys.nextLogSeed, state.logKey)) await promoteNextKey(dataDir, 'ledger');
  if (isInForce(keys.nextCoordinatorSeed, state.coordinatorKey)) await promoteNextKey(dataDir, 'coordinator');
}

/**
 * Writes entry 0 at the first start; later refuses keys that are not those in force.
 * @throws FederationError LEDGER
 */
export async function assertCharterIsOurs(
  journal: Journal,
  keys: JournalKeys,
  { consortium, leastRetentionDays }: Pick<CoordinatorConfig, 'consortium' | 'leastRetentionDays'>,
): Promise<void> {
  const coordinatorKey = toBase64Url(publicKeyOf(keys.coordinatorSeed));
  const logKey = toBase64Url(publicKeyOf(keys.logSeed));
  const { charter } = journal.state;
  if (charter === undefined) {
    const origin = `tallystick/${consortium.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}/${coordinatorKey.slice(0, 8)}`;
    await journal.record('charter', {
      ...{ v: 1, consortium, origin, coordinatorKey, logKey, leastRetentionDays },
    });
    return;
  }
  journal.assertKeysAreHere();
}
