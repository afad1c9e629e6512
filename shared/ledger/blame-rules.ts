/**
 * A bank is named for a fault with what proves it; or, where nothing can (whether a bank can decrypt what it was
 * dealt only itself knows), by a rule that follows from who complained. Everybody who folds the ledger checks
 * that, so that a coordinator cannot leave a bank out by naming it.
 */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { assertSignedBy } from '#shared/crypto/signed-message.ts';
import {
  admittedParticipant,
  runOf,
  type FederationState,
  type MaskedRound,
  type OpenRound,
  type Rules,
  type Session,
} from '#shared/ledger/federation-state.ts';
import { openRoundOf } from '#shared/ledger/rounds.ts';
import { sessionOf } from '#shared/ledger/session-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';
import type { BadShare, Complaints, DealerShares } from '#shared/protocol/payloads/blame.ts';
import { fixedSlot, maskedOf } from '#shared/secure-sum/masked-round.ts';
import { provenCommitment } from '#shared/secure-sum/commitment-proof.ts';
import { assertShareFits, BankFault, openedSeed, openSeeds } from '#shared/secure-sum/open-sum.ts';

export const blameRules: Rules<'blame'> = {
  blame: {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      if (!run.roster.includes(payload.culprit))
        throw new FederationError('STATE', `"${payload.culprit}" is not on the roster of run ${run.id}`);
      if (run.culprits.has(payload.culprit))
        throw new FederationError('REPLAY', `"${payload.culprit}" has been named already`);
      assertProven(state, payload);
    },
    apply(state, payload) {
      runOf(state, payload.run).culprits.set(payload.culprit, payload.code);
    },
  },
};

/**
 * Whom complaints name: the dealers they are about; or whoever complains about more dealers than can be dishonest.
 * @param dealers what one bank, the complainer, complains about
 */
export function namedBy(
  { payload: { participants, thresholds } }: Session,
  complainer: ParticipantId,
  dealers: readonly number[],
): ParticipantId[] {
  return dealers.length > thresholds.colluders
    ? [complainer]
    : dealers.map((dealer) => participants[dealer]!);
}

/** The dealers that a bank has complained about, in the order of the ledger. */
export function accusedBy({ complaints }: Session, complainer: ParticipantId): number[] {
  return complaints.filter(({ from }) => from === complainer).map(({ against }) => against);
}

/** @throws FederationError STATE when the evidence does not show the fault */
function assertProven(state: FederationState, { run, culprit, code, evidence }: Payload<'blame'>): void {
  const shown =
    'complainer' in evidence
      ? faultOfComplaints(state, culprit, evidence)
      : 'message' in evidence
        ? faultOfShare(state, culprit, evidence)
        : faultOfDealer(state, culprit, evidence);
  if (shown.run !== run || shown.code !== code)
    throw new FederationError(
      'STATE',
      `the evidence against "${culprit}" does not show ${code} in run ${run}`,
    );
}

interface Shown {
  readonly run: string;
  readonly code: string | undefined;
}

function faultOfComplaints(state: FederationState, culprit: ParticipantId, evidence: Complaints): Shown {
  const session = sessionOf(state, evidence.session);
  const { complainer, dealers } = evidence;
  const accused = accusedBy(session, complainer); // which may have become more since
  const isRecorded = dealers.every((dealer, i) => dealer === accused[i]);
  const isNamed = isRecorded && namedBy(session, complainer, dealers).includes(culprit);
  return { run: session.payload.run, code: isNamed ? 'SHARE_CT' : undefined };
}

/** A share that a bank revealed, by its own signature, and the commitment of whoever dealt it. */
function faultOfShare(state: FederationState, culprit: ParticipantId, evidence: BadShare): Shown {
  const message = evidence.message as Message<'unmask'>;
  const { payload } = message;
  const { run, open } = openRoundOf(state, payload.ctx);
  const { session, slot, fixed } = fixedRound(open);
  assertSignedBy(message, admittedParticipant(state, culprit).identityKey);
  const { dealer } = evidence;
  const dealt = session.dealt.get(dealer);
  const position = session.sealed!.dealers.indexOf(dealer);
  const revealer = open.roster.indexOf(culprit);
  const share = payload.shares[position];
  const isOfThisRound =
    payload.from === culprit && payload.slot === slot && payload.survivors === fixed.hash && revealer >= 0;
  if (!isOfThisRound || dealt === undefined || share === undefined) return { run: run.id, code: undefined };
  const context = { banks: session.payload.participants.length, slots: session.payload.slots };
  const kind = openedSeed(dealer, fixed.survivors);
  const commitment = provenCommitment(evidence, context, dealt.shareRoot, slot, revealer, kind);
  const of = { sessionHash: fromHex(session.hash), slot };
  return {
    run: run.id,
    code: faultIn(revealer, () =>
      assertShareFits(fromBase64Url(share), of, dealer, revealer, kind, commitment),
    ),
  };
}

/** Revealed shares that fit their commitments, and yet do not give what their dealer published. */
function faultOfDealer(state: FederationState, culprit: ParticipantId, evidence: DealerShares): Shown {
  const { run, open } = openRoundOf(state, evidence.ctx);
  const { unmasks } = fixedRound(open);
  const revealed = new Map(
    evidence.revealers.map((index) => [index, (unmasks.get(index)?.shares ?? []).map(fromBase64Url)]),
  );
  const isRecorded = evidence.revealers.every((index) => unmasks.has(index));
  const code = isRecorded
    ? faultIn(open.roster.indexOf(culprit), () => openSeeds(fixedSlot(open), revealed))
    : undefined;
  return { run: run.id, code };
}

/** The code of the fault that is found in a bank, if one is. */
function faultIn(bank: number, check: () => unknown): string | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof BankFault && error.culprit === bank) return error.code;
    if (!(error instanceof FederationError)) throw error;
  }
  return undefined;
}

function fixedRound(open: OpenRound): MaskedRound & { readonly fixed: NonNullable<MaskedRound['fixed']> } {
  const masked = maskedOf(open);
  if (masked.fixed === undefined)
    throw new FederationError('STATE', `the survivors of round ${open.hash} are not fixed`);
  return masked as ReturnType<typeof fixedRound>;
}
