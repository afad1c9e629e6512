/** A dealer that deviates in what it deals, and in nothing else. */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { sessionContext } from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, type SessionSecrets } from '#shared/secure-sum/deal-secrets.ts';
import { dealShares } from '#shared/secure-sum/share-table.ts';
import { rootsOfTable } from '#shared/secure-sum/share-table-layout.ts';
import type { SimulatedBank } from '../support/simulated-bank.ts';

/** Deals what honest code deals from other secrets or to other keys. */
export function dealtFrom(
  bank: SimulatedBank,
  session: Session,
  change: (secrets: SessionSecrets, channelKeys: Uint8Array[]) => SessionSecrets,
): { message: Message<'share-keys'>; table: Uint8Array } {
  const context = sessionContext(session);
  const from = bank.indexIn(session);
  const random = bank.randomOf(session.hash);
  const drawn = drawSecrets(context.slots, random);
  const keys = [...session.advertised]
    .sort(([a], [b]) => a - b)
    .map(([, { payload }]) => fromBase64Url(payload.channelKey));
  const table = dealShares(context, from, change(drawn, keys), keys, random);
  const { shareRoot, cipherRoot } = rootsOfTable(table, context, from);
  const message = bank.sign('share-keys', {
    ...{ session: session.hash, roster: session.rosterHash!, from: bank.id },
    ...{ shareRoot, cipherRoot, table: vectorRoot(table) },
  });
  return { message, table };
}
