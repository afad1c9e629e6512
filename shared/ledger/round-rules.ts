/** What may happen in a round of either kind, and in which order: opened, answered, closed or void. */
import {
  answererIndex,
  fewestInputs,
  openRoundOf,
  rosterIndex,
  survivorsHash,
  survivorsOf,
} from '#shared/ledger/rounds.ts';
import {
  runOf,
  type MaskedRound,
  type OpenRound,
  type PastRound,
  type Rules,
  type Run,
} from '#shared/ledger/federation-state.ts';
import { lastHash, tooFew } from '#shared/ledger/run-rules.ts';
import { assertHead } from '#shared/ledger/witness-rules.ts';
import { usableSession } from '#shared/ledger/session-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Payload } from '#shared/protocol/messages.ts';

export const roundRules: Rules<'open-round' | 'plain-input' | 'refuse-round' | 'close-round' | 'void-round'> =
  {
    'open-round': {
      admissible(state, payload, time) {
        const run = runOf(state, payload.run);
        const { phase } = run;
        if (phase.name !== 'ready') throw new FederationError('STATE', `run ${run.id} is ${phase.name}`);
        const { round, attempt } = phase;
        if (payload.parent !== lastHash(run) || payload.round !== round || payload.attempt !== attempt) {
          throw new FederationError(
            'STATE',
            `expected round ${round}, attempt ${attempt}, following ${lastHash(run)}`,
          );
        }
        if (payload.deadlineAt <= time) throw new FederationError('STATE', 'the deadline has already passed');
        assertHead(state, payload.head);
        if (run.checkpoint !== undefined)
          throw new FederationError('STATE', `run ${run.id} has offered its end to be cosigned`);
        assertKeys(run, payload);
      },
      apply(state, payload, { hash, entry }) {
        const run = runOf(state, payload.run);
        const masked = run.plan.aggregation === 'masked' ? useSlot(run) : undefined;
        const open: OpenRound = {
          hash,
          payload,
          openedAt: entry.time,
          inputs: new Map(),
          refusals: new Map(),
          roster: masked === undefined ? run.roster : masked.session.payload.participants,
          masked,
        };
        run.phase = { name: 'collecting', open };
        state.roundRuns.set(hash, payload.run);
      },
    },

    'plain-input': {
      admissible(state, payload) {
        const { open } = openRoundOf(state, payload.ctx);
        if (open.masked !== undefined) {
          throw new FederationError('STATE', 'this round is masked; expected masked-input');
        }
        assertNewInput(open, payload);
      },
      apply(state, payload, { entry }) {
        takeInput(openRoundOf(state, payload.ctx).open, payload, entry.time);
      },
    },

    'refuse-round': {
      admissible(state, payload) {
        const { open } = openRoundOf(state, payload.ctx);
        const index = answererIndex(open, payload.from);
        if (open.inputs.has(index))
          throw new FederationError('DUPLICATE', `"${payload.from}" has already answered this round`);
        if (open.refusals.has(index))
          throw new FederationError('REPLAY', `"${payload.from}" has already refused this round`);
      },
      apply(state, payload) {
        const { open } = openRoundOf(state, payload.ctx);
        open.refusals.set(rosterIndex(open, payload.from), { code: payload.code, reason: payload.reason });
      },
    },

    'close-round': {
      admissible(state, payload) {
        const { run, open } = openRoundOf(state, payload.ctx);
        assertSurvivors(run, open, payload);
        if (open.masked === undefined) return;
        const { fixed, unmasks, session } = open.masked;
        if (fixed === undefined) throw new FederationError('STATE', 'the survivors are not fixed yet');
        const { threshold } = session.payload.thresholds;
        if (unmasks.size < threshold) {
          throw new FederationError(
            'SHARES',
            `${unmasks.size} banks revealed their shares, ${threshold} are needed`,
          );
        }
      },
      apply(state, payload, { hash, entry }) {
        const { run, open } = openRoundOf(state, payload.ctx);
        endRound(run, { open, endedAt: entry.time, end: { outcome: 'closed', hash, payload } }, entry.seq);
      },
    },

    'void-round': {
      admissible(state, payload) {
        openRoundOf(state, payload.ctx);
      },
      apply(state, payload, { hash, entry }) {
        const { run, open } = openRoundOf(state, payload.ctx);
        endRound(run, { open, endedAt: entry.time, end: { outcome: 'void', hash, payload } }, entry.seq);
      },
    },
  };

/**
 * A masked round uses the next slot of the session in force; asking a question again needs the votes of a
 * quorum that the earlier slot is dead.
 * @throws FederationError STATE | VOTES
 */
function assertKeys(run: Run, payload: Payload<'open-round'>): void {
  if (run.plan.aggregation === 'plain') {
    if (payload.keys !== undefined) throw new FederationError('STATE', 'a plain round uses no keys');
    return;
  }
  const session = usableSession(run);
  if (payload.keys?.session !== session.sealed!.hash || payload.keys.slot !== session.nextSlot) {
    throw new FederationError(
      'STATE',
      `expected slot ${session.nextSlot} of session ${session.hash}: every slot is used once, in order`,
    );
  }
  const before = run.past.at(-1);
  if (payload.attempt === 0 || before?.open.masked === undefined) return;
  const { aborts, session: old } = before.open.masked;
  const { quorum } = old.payload.thresholds;
  if (aborts.size < quorum) {
    throw new FederationError('VOTES', `${aborts.size} banks voted to ask again, ${quorum} votes are needed`);
  }
}

function useSlot(run: Run): MaskedRound {
  const session = usableSession(run);
  const slot = session.nextSlot++;
  return {
    session,
    slot,
    fixed: undefined,
    certificates: new Set(),
    unmasks: new Map(),
    aborts: new Set(),
    confirmations: new Set(),
  };
}

/** @throws FederationError REPLAY | DUPLICATE | SHAPE */
export function assertNewInput(
  open: OpenRound,
  payload: Payload<'plain-input'> | Payload<'masked-input'>,
): void {
  const index = answererIndex(open, payload.from);
  const earlier = open.inputs.get(index);
  if (earlier?.vectorRoot === payload.vectorRoot)
    throw new FederationError('REPLAY', 'this update is already recorded');
  if (earlier !== undefined) {
    throw new FederationError(
      'DUPLICATE',
      `"${payload.from}" has already sent another update for this round`,
    );
  }
  if (open.refusals.has(index))
    throw new FederationError('DUPLICATE', `"${payload.from}" has refused this round`);
  const { ring, length } = open.payload.question;
  if (payload.ring !== ring || payload.length !== length) {
    throw new FederationError(
      'SHAPE',
      `expected ${length} words of ${ring}, got ${payload.length} of ${payload.ring}`,
    );
  }
}

export function takeInput(
  open: OpenRound,
  payload: Payload<'plain-input'> | Payload<'masked-input'>,
  time: number,
): void {
  open.inputs.set(rosterIndex(open, payload.from), { vectorRoot: payload.vectorRoot, at: time });
}

/**
 * The survivors must be exactly the banks whose vectors were accepted, and enough of them.
 * @throws FederationError STATE | COHORT
 */
export function assertSurvivors(
  run: Run,
  open: OpenRound,
  said: { readonly survivors: readonly number[]; readonly survivorsHash: string },
): void {
  const indices = survivorsOf(open);
  if (indices.length !== said.survivors.length || indices.some((index, i) => index !== said.survivors[i])) {
    throw new FederationError(
      'STATE',
      'expected the survivors to be exactly the banks whose updates were accepted',
    );
  }
  if (said.survivorsHash !== survivorsHash(open)) {
    throw new FederationError('STATE', 'the survivors hash does not match the accepted updates');
  }
  if (indices.length < fewestInputs(run, open)) throw tooFew(run, indices.length, 'answered');
}

function endRound(run: Run, past: PastRound, seq: number): void {
  run.past.push(past);
  const { round, attempt } = past.open.payload;
  const { hash: parent } = past.end;
  run.phase =
    past.end.outcome === 'closed'
      ? { name: 'ready', parent, round: round + 1, attempt: 0, since: past.endedAt, seq }
      : { name: 'ready', parent, round, attempt: attempt + 1, since: past.endedAt, seq };
}
