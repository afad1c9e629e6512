/** The life of a run around its rounds: proposed, consented to, started, finished. */
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { runId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { Message } from '#shared/protocol/messages.ts';
import {
  admittedParticipant,
  runOf,
  type FederationState,
  type Rules,
  type Run,
} from '#shared/ledger/federation-state.ts';
import { assertFinal } from '#shared/ledger/finality.ts';
import { assertCompany, companyOf, fewestToStart } from '#shared/ledger/company.ts';
import { assertCharter } from '#shared/ledger/membership-rules.ts';

export const runRules: Rules<'run-proposed' | 'consent' | 'withdraw' | 'run-started' | 'run-finished'> = {
  'run-proposed': {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
      for (const id of payload.plan.participants) admittedParticipant(state, id);
      assertCompany(companyOf(state), payload.plan);
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
        company: companyOf(state),
        consents: new Map(),
        started: undefined,
        roster: [],
        witnessKeys: [],
        phase: { name: 'proposed' },
        past: [],
        expiredAt: undefined,
        checkpoint: undefined,
        session: undefined,
        culprits: new Map(),
        stalls: new Map(),
        withdrawn: new Map(),
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
      const earlier = run.consents.get(payload.from);
      if (earlier !== undefined) {
        throw new FederationError(
          earlier.decision === payload.decision ? 'REPLAY' : 'DUPLICATE',
          `"${payload.from}" has already decided about this run: ${earlier.decision}`,
        );
      }
    },
    apply(state, payload, { entry }) {
      const { decision, reason, fewest } = payload;
      runOf(state, payload.run).consents.set(payload.from, { decision, reason, at: entry.time, fewest });
    },
  },

  withdraw: {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      assertAsked(run, payload.from);
      if (run.phase.name === 'finished') throw new FederationError('LATE', `run ${run.id} is finished`);
      if (run.withdrawn.has(payload.from))
        throw new FederationError('REPLAY', `"${payload.from}" has already withdrawn from this run`);
      if (run.consents.get(payload.from)?.decision !== 'granted')
        throw new FederationError('STATE', `"${payload.from}" has not consented to this run`);
    },
    apply(state, payload, { entry }) {
      const run = runOf(state, payload.run);
      run.withdrawn.set(payload.from, payload.reason);
      if (run.phase.name !== 'proposed') return;
      const reason = payload.reason ?? 'withdrawn';
      run.consents.set(payload.from, { decision: 'refused', reason, at: entry.time, fewest: undefined });
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
      if (granted.length < fewestToStart(run))
        throw tooFew(run, granted.length, 'consented', fewestToStart(run));
      if (
        canonicalJson(payload.identityKeys ?? null) !== canonicalJson(identityKeysFor(state, run) ?? null)
      ) {
        throw new FederationError('STATE', 'expected the enrolled keys of the roster');
      }
      if (canonicalJson(payload.witnessKeys) !== canonicalJson(witnessKeysFor(state, run)))
        throw new FederationError('STATE', 'expected the enrolled witness keys of the roster');
    },
    apply(state, payload, { hash, entry }) {
      const run = runOf(state, payload.run);
      run.started = entry.message as Message<'run-started'>;
      run.roster = payload.roster;
      run.witnessKeys = payload.witnessKeys;
      run.phase = { name: 'ready', parent: hash, round: 0, attempt: 0, since: entry.time, seq: entry.seq };
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
      if (payload.outcome === 'completed') assertFinal(run, payload);
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

/** The keys that a masked run announces with its roster. */
export function identityKeysFor(state: FederationState, run: Run): string[] | undefined {
  if (run.plan.aggregation === 'plain') return undefined;
  return grantedBy(run).map((id) => admittedParticipant(state, id).identityKey);
}

/** The witness keys that a run announces with its roster. */
export function witnessKeysFor(state: FederationState, run: Run): string[] {
  return grantedBy(run).map((id) => admittedParticipant(state, id).witnessKey);
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

function assertAsked(run: Run, id: ParticipantId): void {
  if (!run.plan.participants.includes(id)) {
    throw new FederationError('WRONG_SENDER', `"${id}" is not asked by the plan of run ${run.id}`);
  }
}

/** @param did what too few banks did, in the past tense */
export function tooFew(
  run: Run,
  count: number,
  did: string,
  needed = run.plan.cohort.minimum,
): FederationError {
  return new FederationError(
    'COHORT',
    `${count} banks ${did}, ${needed} are needed; see "tallystick run show ${run.id}"`,
  );
}
