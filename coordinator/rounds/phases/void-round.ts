/** collecting → ready: the round gave no sum; the same question is asked again, or the run fails. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';

export async function voidRound(
  open: OpenRound,
  code: ErrorCode,
  reason: string,
  journal: Journal,
): Promise<void> {
  await journal.record('void-round', { ctx: open.hash, code, reason: asSentence(reason) });
}
