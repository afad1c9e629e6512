/** Whether the keys in the data folder are those of the ledger in the database. */
import type { CoordinatorConfig } from '#coordinator/config.ts';
import type { Journal, JournalKeys } from '#coordinator/journal/journal.ts';
import type { LedgerName } from '#coordinator/keys-use.ts';
import { promoteNextKey } from '#coordinator/keys.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Changes of keys that were cut short after their entry was written. */
export async function settleKeys(dataDir: string, keys: JournalKeys, { state }: Journal): Promise<void> {
  const isInForce = (seed: Uint8Array | undefined, key: string | undefined): boolean =>
    seed !== undefined && toBase64Url(publicKeyOf(seed)) === key;
  if (isInForce(keys.nextLogSeed, state.logKey)) await promoteNextKey(dataDir, 'ledger');
  if (isInForce(keys.nextCoordinatorSeed, state.coordinatorKey)) await promoteNextKey(dataDir, 'coordinator');
}

/** Undefined while it has no charter. */
export function ledgerName({ state, tree }: Journal): LedgerName | undefined {
  return state.charter && { charter: state.charter.hash, first: toHex(tree.leaf(0)) };
}

/** Writes entry 0 at the first start. */
export async function foundLedger(
  journal: Journal,
  keys: JournalKeys,
  {
    consortium = 'consortium',
    leastRetentionDays,
    company,
  }: Pick<CoordinatorConfig, 'consortium' | 'leastRetentionDays' | 'company'>,
): Promise<void> {
  if (journal.state.charter !== undefined) return;
  const coordinatorKey = toBase64Url(publicKeyOf(keys.coordinatorSeed));
  const logKey = toBase64Url(publicKeyOf(keys.logSeed));
  const origin = `tallystick/${consortium.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}/${coordinatorKey.slice(0, 8)}`;
  await journal.record('charter', {
    ...{ v: 1, consortium, origin, coordinatorKey, logKey, leastRetentionDays },
    ...(company === undefined ? {} : { company }),
  });
}

/**
 * @param consortium what the operator calls it; undefined: whatever it is
 * @throws FederationError LEDGER when the keys in force are not here, CONFIG when it is another's
 */
export function assertLedgerIsOurs(journal: Journal, consortium: string | undefined): void {
  const { charter } = journal.state;
  if (charter === undefined) return;
  journal.assertKeysAreHere();
  const name = charter.payload.consortium;
  if (consortium !== undefined && consortium !== name) {
    throw new FederationError(
      'CONFIG',
      `the consortium of this ledger is "${name}" by its charter, which cannot be changed, not "${consortium}": ` +
        'leave --consortium out, or take the folder and the database of the other one',
    );
  }
}
