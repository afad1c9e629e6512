/**
 * The steps that only masked rounds have: after the vectors, the survivors are fixed, certified by a quorum,
 * and only then do banks reveal shares. See docs/secure-sum.md.
 */
import { runOf, type MaskedRound, type OpenRound, type Rules } from '#shared/ledger/federation-state.ts';
import { assertNewInput, assertSurvivors, takeInput } from '#shared/ledger/round-rules.ts';
import { answererIndex, openRoundOf, rosterIndex, roundOf } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

type MaskedMessage =
  'masked-input' | 'fix-survivors' | 'consistency-check' | 'unmask' | 'abort-round' | 'confirm-sum';

export const maskedRules: Rules<MaskedMessage> = {
  'masked-input': {
    admissible(state, payload) {
      const { open } = openRoundOf(state, payload.ctx);
      const masked = maskedPart(open, payload.slot);
      assertNewInput(open, payload);
      if (masked.fixed !== undefined)
        throw new FederationError('LATE', `the survivors of round ${payload.ctx} are fixed`);
    },
    apply(state, payload, { entry }) {
      takeInput(openRoundOf(state, payload.ctx).open, payload, entry.time);
    },
  },

  'fix-survivors': {
    admissible(state, payload) {
      const { run, open } = openRoundOf(state, payload.ctx);
      const masked = maskedPart(open, payload.slot);
      if (masked.fixed !== undefined) {
        throw new FederationError(
          masked.fixed.hash === payload.survivorsHash ? 'REPLAY' : 'EQUIVOCATION',
          `the survivors of round ${payload.ctx} are already fixed`,
        );
      }
      assertSurvivors(run, open, payload);
    },
    apply(state, payload, { entry }) {
      const { open } = openRoundOf(state, payload.ctx);
      open.masked!.fixed = {
        survivors: payload.survivors,
        hash: payload.survivorsHash,
        at: entry.time,
      };
    },
  },

  'consistency-check': {
    admissible(state, payload) {
      const { open } = openRoundOf(state, payload.ctx);
      const masked = maskedPart(open, payload.slot);
      const index = answererIndex(open, payload.from);
      assertFixed(masked, payload.survivors);
      if (masked.certificates.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already certified`);
    },
    apply(state, payload) {
      const { open } = openRoundOf(state, payload.ctx);
      open.masked!.certificates.add(rosterIndex(open, payload.from));
    },
  },

  unmask: {
    admissible(state, payload) {
      const { open } = openRoundOf(state, payload.ctx);
      const masked = maskedPart(open, payload.slot);
      const index = answererIndex(open, payload.from);
      assertFixed(masked, payload.survivors);
      if (masked.unmasks.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already revealed its shares`);
      const dealers = masked.session.sealed!.dealers.length;
      if (payload.shares.length !== dealers)
        throw new FederationError('SHAPE', `expected ${dealers} shares, got ${payload.shares.length}`);
      assertCertified(masked, index);
    },
    apply(state, payload) {
      const { open } = openRoundOf(state, payload.ctx);
      const index = rosterIndex(open, payload.from);
      open.masked!.certificates.add(index);
      open.masked!.unmasks.set(index, payload);
    },
  },

  'abort-round': {
    admissible(state, payload) {
      const { open, past } = roundOf(state, payload.ctx);
      const masked = maskedPart(open, payload.slot);
      const index = answererIndex(open, payload.from);
      if (past?.end.outcome !== 'void' || payload.query !== open.payload.question.hash)
        throw new FederationError('STATE', 'expected a vote about the question of a void round');
      if (masked.unmasks.has(index)) {
        throw new FederationError(
          'EQUIVOCATION',
          `"${payload.from}" has revealed its shares for this slot and cannot vote to ask again`,
        );
      }
      if (masked.aborts.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already voted`);
      const { past: rounds } = runOf(state, state.roundRuns.get(payload.ctx)!);
      if (rounds.at(-1) !== past) throw new FederationError('LATE', `round ${payload.ctx} is long over`);
    },
    apply(state, payload) {
      const { open } = roundOf(state, payload.ctx);
      open.masked!.aborts.add(rosterIndex(open, payload.from));
    },
  },

  'confirm-sum': {
    admissible(state, payload) {
      const { open, past } = roundOf(state, payload.ctx);
      if (open.masked === undefined || past?.end.outcome !== 'closed')
        throw new FederationError('STATE', 'expected a confirmation of a masked round that is closed');
      const index = rosterIndex(open, payload.from);
      if (payload.sumRoot !== past.end.payload.sumRoot)
        throw new FederationError(
          'STATE',
          `"${payload.from}" arrives at another sum than the closed round's`,
        );
      if (open.masked.confirmations.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already confirmed`);
    },
    apply(state, payload) {
      const { open } = roundOf(state, payload.ctx);
      open.masked!.confirmations.add(rosterIndex(open, payload.from));
    },
  },
};

/** @throws FederationError STATE */
function maskedPart(open: OpenRound, slot: number): MaskedRound {
  if (open.masked?.slot !== slot)
    throw new FederationError(
      'STATE',
      `expected a message for slot ${open.masked?.slot ?? 'none'}, got ${slot}`,
    );
  return open.masked;
}

/** @throws FederationError STATE | EQUIVOCATION */
function assertFixed(masked: MaskedRound, survivors: string): void {
  if (masked.fixed === undefined) throw new FederationError('STATE', 'the survivors are not fixed yet');
  if (masked.fixed.hash !== survivors)
    throw new FederationError('EQUIVOCATION', 'these are other survivors than the ones in this ledger');
}

/**
 * Whether a bank may reveal shares: a quorum has certified, its own reveal counting as its certificate.
 * @throws FederationError CERTIFICATE
 */
export function assertCertified(masked: MaskedRound, index: number): void {
  const { quorum } = masked.session.payload.thresholds;
  const count = masked.certificates.size + (masked.certificates.has(index) ? 0 : 1);
  if (count < quorum)
    throw new FederationError('CERTIFICATE', `${count} banks certified the survivors, ${quorum} are needed`);
}
