/** What banks deal and later reveal: share tables as bodies, and single shares held against them. */
import { appendClaimed } from '#coordinator/rounds/append-claimed.ts';
import { assertIsBody } from '#coordinator/rounds/attached-body.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { layoutOf } from '#coordinator/rounds/share-tables.ts';
import { openRoundOf, rosterIndex } from '#shared/ledger/rounds.ts';
import { sessionIndex, sessionOf } from '#shared/ledger/session-rules.ts';
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { proveCommitments } from '#shared/secure-sum/commitment-proof.ts';
import { assertShareFits, BankFault, openedSeed } from '#shared/secure-sum/open-sum.ts';
import { commitmentIn, rootsOfTable } from '#shared/secure-sum/share-table-layout.ts';

/**
 * @param body the table, if it came with the message; else it was uploaded
 * @throws FederationError SHAPE | VECROOT when the table is not the one that the message signs
 */
export async function acceptShareTable(
  message: Message<'share-keys'>,
  body: Uint8Array | undefined,
  deps: RunDependencies,
): Promise<void> {
  const { session: hash, from, shareRoot, cipherRoot, table } = message.payload;
  const session = sessionOf(deps.journal.state, hash);
  const layout = layoutOf(session);
  if (body !== undefined) assertIsBody(body, table, layout.bytes);
  else await deps.bodies.assertUploaded(from, table, layout.bytes);
  try {
    const bytes = body ?? (await deps.bodies.read(table, from));
    const roots = rootsOfTable(bytes, layout, sessionIndex(session, from));
    if (roots.shareRoot !== shareRoot || roots.cipherRoot !== cipherRoot)
      throw new FederationError('VECROOT', 'the share table does not hash to the roots that were signed');
  } catch (error) {
    if (body === undefined) await deps.bodies.discard(from, table);
    throw error;
  }
  await appendClaimed(message, table, body, deps);
}

/**
 * Every revealed share must fit the commitment its dealer made. One that does not is recorded with what
 * proves it, and the bank is left out of later sessions.
 * @throws BankFault SHARE_BAD
 */
export async function assertRevealedShares(message: Message<'unmask'>, deps: RunDependencies): Promise<void> {
  const { run, open } = openRoundOf(deps.journal.state, message.payload.ctx);
  const { session, slot, fixed } = open.masked!;
  const layout = layoutOf(session);
  const revealer = rosterIndex(open, message.payload.from);
  for (const [position, dealer] of session.sealed!.dealers.entries()) {
    const table = await deps.shareTables.read(session, dealer);
    const kind = openedSeed(dealer, fixed!.survivors);
    const commitment = commitmentIn(table, layout, slot, revealer, kind);
    const share = fromBase64Url(message.payload.shares[position]!);
    try {
      assertShareFits(
        share,
        { sessionHash: fromHex(session.hash), slot },
        dealer,
        revealer,
        kind,
        commitment,
      );
    } catch (error) {
      if (error instanceof BankFault && !run.culprits.has(message.payload.from)) {
        await deps.journal.record('blame', {
          run: run.id,
          culprit: message.payload.from,
          code: error.code,
          reason: asSentence(error.message),
          evidence: { message, dealer, ...proveCommitments(table, layout, revealer) },
        });
      }
      throw error;
    }
  }
}
