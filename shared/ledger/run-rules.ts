/** What may happen in a run, and in which order: from the proposal to the end. */
import { messageHash } from '#shared/crypto/signed-message.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { runId, type ParticipantId } from '#shared/protocol/ids.ts';
import {
  admittedParticipant,
  runOf,
  type FederationState,
  type OpenRound,
  type PastRound,
  type Rules,
  type Run,
} from '#shared/ledger/federation-state.ts';
import { assertCharter } from '#shared/ledger/membership-rules.ts';

type RunMessage =
  | 'run-proposed'
  | 'consent'
  | 'run-started'
  | 'open-round'
  | 'plain-input'
  | 'refuse-round'
  | 'close-round'
  | 'void-round'
  | 'run-finished';

export const runRules: Rules<RunMessage> = {
  'run-proposed': {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
      for (const id of payload.plan.participants) admittedParticipant(state, id);
      const id = runId.parse(messageHash('run-proposed', payload));
      if (state.runs.has(id)) {
        throw new FederationError(
          'REPLAY',
          'this very plan was proposed before; change its name or seed to run it again',
        );
      }
    },
    apply(state, payload, { hash, entry }) {
      const id = runId.parse(hash);
      state.runs.set(id, {
        id,
        plan: payload.plan,
        proposedAt: entry.time,
        consents: new Map(),
        roster: [],
        phase: { name: 'proposed' },
        past: [],
      });
    },
  },

  consent: {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      assertAsked(run, payload.from);
      if (run.phase.name !== 'proposed') {
        throw new FederationError('LATE', `run ${run.id} has started without "${payload.from}"`);
      }
      if (run.consents.has(payload.from)) {
        throw new FederationError('REPLAY', `"${payload.from}" has already decided about this run`);
      }
    },
    apply(state, payload, { entry }) {
      const { decision, reason } = payload;
      runOf(state, payload.run).consents.set(payload.from, { decision, reason, at: entry.time });
    },
  },

  'run-started': {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      if (run.phase.name !== 'proposed')
        throw new FederationError('STATE', `run ${run.id} is ${run.phase.name}`);
      const granted = grantedBy(run);
      if (granted.length !== payload.roster.length || granted.some((id, i) => id !== payload.roster[i])) {
        throw new FederationError(
          'STATE',
          'expected the roster to be exactly the banks that granted consent, sorted',
        );
      }
      if (granted.length < run.plan.cohort.minimum) throw tooFew(run, granted.length, 'consented');
    },
    apply(state, payload, { hash }) {
      const run = runOf(state, payload.run);
      run.roster = payload.roster;
      run.phase = { name: 'ready', parent: hash, round: 0, attempt: 0 };
    },
  },

  'open-round': {
    admissible(state, payload, time) {
      const run = runOf(state, payload.run);
      const { phase } = run;
      if (phase.name !== 'ready') throw new FederationError('STATE', `run ${run.id} is ${phase.name}`);
      const { parent, round, attempt } = phase;
      if (payload.parent !== parent || payload.round !== round || payload.attempt !== attempt) {
        throw new FederationError(
          'STATE',
          `expected round ${round}, attempt ${attempt}, following ${parent}`,
        );
      }
      if (payload.deadlineAt <= time) throw new FederationError('STATE', 'the deadline has already passed');
    },
    apply(state, payload, { hash, entry }) {
      const open = { hash, payload, openedAt: entry.time, inputs: new Map(), refusals: new Map() };
      runOf(state, payload.run).phase = { name: 'collecting', open };
      state.roundRuns.set(hash, payload.run);
    },
  },

  'plain-input': {
    admissible(state, payload) {
      const { run, open } = openRoundOf(state, payload.ctx, payload.from);
      const index = rosterIndex(run, payload.from);
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
    },
    apply(state, payload, { entry }) {
      const { run, open } = openRoundOf(state, payload.ctx, payload.from);
      open.inputs.set(rosterIndex(run, payload.from), { vectorRoot: payload.vectorRoot, at: entry.time });
    },
  },

  'refuse-round': {
    admissible(state, payload) {
      const { run, open } = openRoundOf(state, payload.ctx, payload.from);
      const index = rosterIndex(run, payload.from);
      if (open.inputs.has(index))
        throw new FederationError('DUPLICATE', `"${payload.from}" has already answered this round`);
      if (open.refusals.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already refused this round`);
    },
    apply(state, payload) {
      const { run, open } = openRoundOf(state, payload.ctx, payload.from);
      open.refusals.set(rosterIndex(run, payload.from), { code: payload.code, reason: payload.reason });
    },
  },

  'close-round': {
    admissible(state, payload) {
      const { run, open } = openRoundOf(state, payload.ctx);
      const indices = survivorsOf(open);
      if (
        indices.length !== payload.survivors.length ||
        indices.some((index, i) => index !== payload.survivors[i])
      ) {
        throw new FederationError(
          'STATE',
          'expected the survivors to be exactly the banks whose updates were accepted',
        );
      }
      if (payload.survivorsHash !== survivorsHash(open)) {
        throw new FederationError('STATE', 'the survivors hash does not match the accepted updates');
      }
      if (indices.length < run.plan.cohort.minimum) throw tooFew(run, indices.length, 'answered');
    },
    apply(state, payload, { hash, entry }) {
      const { run, open } = openRoundOf(state, payload.ctx);
      endRound(run, { open, endedAt: entry.time, end: { outcome: 'closed', hash, payload } });
    },
  },

  'void-round': {
    admissible(state, payload) {
      openRoundOf(state, payload.ctx);
    },
    apply(state, payload, { hash, entry }) {
      const { run, open } = openRoundOf(state, payload.ctx);
      endRound(run, { open, endedAt: entry.time, end: { outcome: 'void', hash, payload } });
    },
  },

  'run-finished': {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      if (run.phase.name === 'finished') throw new FederationError('STATE', `run ${run.id} is finished`);
      if (payload.parent !== lastHash(run))
        throw new FederationError('STATE', `expected to follow ${lastHash(run)}`);
      if (payload.outcome === 'completed' && (run.phase.name !== 'ready' || payload.artefact === undefined)) {
        throw new FederationError('STATE', 'only a run between rounds, with an artefact, can be completed');
      }
    },
    apply(state, payload, { entry }) {
      runOf(state, payload.run).phase = { name: 'finished', at: entry.time, result: payload };
    },
  },
};

/** The banks that granted consent, sorted. */
export function grantedBy(run: Run): ParticipantId[] {
  return run.plan.participants.filter((id) => run.consents.get(id)?.decision === 'granted');
}

/** The message a run's next one must follow. */
export function lastHash(run: Run): string {
  switch (run.phase.name) {
    case 'proposed':
    case 'finished':
      return run.id;
    case 'ready':
      return run.phase.parent;
    case 'collecting':
      return run.phase.open.hash;
  }
}

/** Roster indices with an accepted update, ascending. */
export function survivorsOf(open: OpenRound): number[] {
  return [...open.inputs.keys()].sort((a, b) => a - b);
}

/** Commits to who is in the sum and with which vector. */
export function survivorsHash(open: OpenRound): string {
  const vectors = survivorsOf(open).map((index) => [index, open.inputs.get(index)!.vectorRoot]);
  return messageHash('survivors', { ctx: open.hash, vectors });
}

function endRound(run: Run, past: PastRound): void {
  run.past.push(past);
  const { round, attempt } = past.open.payload;
  const { hash: parent } = past.end;
  run.phase =
    past.end.outcome === 'closed'
      ? { name: 'ready', parent, round: round + 1, attempt: 0 }
      : { name: 'ready', parent, round, attempt: attempt + 1, lastVoid: past.end.payload.code };
}

/**
 * The open round that `ctx` names; for a bank's message, only if the bank is on the roster.
 * @throws FederationError STALE | LATE | WRONG_SENDER
 */
export function openRoundOf(
  state: FederationState,
  ctx: string,
  from?: ParticipantId,
): { run: Run; open: OpenRound } {
  const id = state.roundRuns.get(ctx);
  if (id === undefined) throw new FederationError('STALE', `no round ${ctx} in this ledger`);
  const run = runOf(state, id);
  if (from !== undefined) rosterIndex(run, from);
  if (run.phase.name !== 'collecting' || run.phase.open.hash !== ctx) {
    throw new FederationError('LATE', `round ${ctx} is over`);
  }
  return { run, open: run.phase.open };
}

/** @throws FederationError WRONG_SENDER */
export function rosterIndex(run: Run, id: ParticipantId): number {
  const index = run.roster.indexOf(id);
  if (index < 0) throw new FederationError('WRONG_SENDER', `"${id}" is not on the roster of run ${run.id}`);
  return index;
}

function assertAsked(run: Run, id: ParticipantId): void {
  if (!run.plan.participants.includes(id)) {
    throw new FederationError('WRONG_SENDER', `"${id}" is not asked by the plan of run ${run.id}`);
  }
}

function tooFew(run: Run, count: number, did: string): FederationError {
  return new FederationError(
    'COHORT',
    `${count} banks ${did}, the plan needs ${run.plan.cohort.minimum}; see "tallystick run show ${run.id}"`,
  );
}
