/** Whether the keys in the data folder are those of the ledger in the database. */
import type { CoordinatorConfig } from '#coordinator/config.ts';
import type { Journal, JournalKeys } from '#coordinator/journal/journal.ts';
import type { LedgerName } from '#coordinator/keys-use.ts';
import { promoteNextLogKey } from '#coordinator/keys.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** A change of the ledger key that was cut short after its entry was written. */
export async function settleLogKey(dataDir: string, keys: JournalKeys, journal: Journal): Promise<void> {
  const { nextLogSeed } = keys;
  if (nextLogSeed !== undefined && toBase64Url(publicKeyOf(nextLogSeed)) === journal.state.logKey)
    await promoteNextLogKey(dataDir);
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
 * @throws FederationError LEDGER when the ledger was begun with other keys than these, CONFIG when it is another's
 */
export function assertLedgerIsOurs(
  journal: Journal,
  keys: JournalKeys,
  consortium: string | undefined,
): void {
  const { charter } = journal.state;
  if (charter === undefined) return;
  const coordinatorKey = toBase64Url(publicKeyOf(keys.coordinatorSeed));
  if (charter.payload.coordinatorKey !== coordinatorKey) {
    throw new FederationError(
      'LEDGER',
      'the keys in the data folder are not those of the ledger; restore the folder that belongs to this database',
    );
  }
  const name = charter.payload.consortium;
  if (consortium !== undefined && consortium !== name) {
    throw new FederationError(
      'CONFIG',
      `the consortium of this ledger is "${name}" by its charter, which cannot be changed, not "${consortium}": ` +
        'leave --consortium out, or take the folder and the database of the other one',
    );
  }
  journal.head(); // throws when the ledger key in force is not here
}
