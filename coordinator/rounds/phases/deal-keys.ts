/** Between rounds of a masked run: a session of keys is opened, sealed when everybody has dealt, or given up. */
import type { Journal } from '#coordinator/journal/journal.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { accusedBy, namedBy } from '#shared/ledger/blame-rules.ts';
import type { Run, Session } from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';

/** Rounds dealt for at once. More make a session dearer, and are lost when a bank comes or goes. */
const SLOTS = 32;

export async function openSession(
  run: Run,
  participants: readonly ParticipantId[],
  roundsLeft: number,
  journal: Journal,
  random: RandomBytes,
): Promise<void> {
  await journal.record('open-session', {
    run: run.id,
    parent: lastHash(run),
    suite: 'x25519-hkdf256-aes256ctr-gf256',
    nonce: toBase64Url(random(16)),
    participants: [...participants],
    thresholds: thresholdsFor(participants.length, run.company.colluders),
    slots: Math.max(1, Math.min(SLOTS, roundsLeft)),
    deadlineAt: journal.now() + run.plan.deadlines.roundMs,
  });
}

export async function sealSession(session: Session, journal: Journal): Promise<void> {
  const dealers = [...session.dealt.keys()].sort((a, b) => a - b);
  await journal.record('seal-session', {
    session: session.hash,
    roster: session.rosterHash!,
    dealers,
    shareRoots: dealers.map((index) => session.dealt.get(index)!.shareRoot),
  });
}

export async function voidSession(
  session: Session,
  code: ErrorCode,
  reason: string,
  journal: Journal,
): Promise<void> {
  await journal.record('void-session', { session: session.hash, code, reason: asSentence(reason) });
}

/**
 * After complaints: each dealer that was complained about is named and left out of later sessions. A bank
 * that complains about more dealers than can be dishonest is named instead.
 */
export async function settleComplaints(run: Run, session: Session, journal: Journal): Promise<void> {
  const { colluders } = session.payload.thresholds;
  for (const from of new Set(session.complaints.map((complaint) => complaint.from))) {
    const dealers = accusedBy(session, from);
    for (const culprit of namedBy(session, from, dealers)) {
      if (run.culprits.has(culprit)) continue;
      await journal.record('blame', {
        run: run.id,
        culprit,
        code: 'SHARE_CT',
        reason:
          culprit === from
            ? `"${from}" complains about ${dealers.length} dealers; at most ${colluders} can be dishonest`
            : `"${from}" cannot open the shares that "${culprit}" dealt`,
        evidence: { session: session.hash, complainer: from, dealers },
      });
    }
  }
  await voidSession(session, 'SHARE_CT', 'the shares of a dealer could not be opened', journal);
}
