/** What is said about the ledger itself: which bodies are gone, who may operate, and what people should know. */
import { runOf, type FederationState, type Rules } from '#shared/ledger/federation-state.ts';
import { assertCharter } from '#shared/ledger/membership-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const DAY_MS = 86_400_000;
/** Of a charter that does not say. Whoever audits every quarter finds all there was. */
export const LEAST_RETENTION_DAYS = 90;

/** How long after the end of a run its bodies are kept at least, ms. */
export function leastRetentionMs({ charter }: FederationState): number {
  return (charter?.payload.leastRetentionDays ?? LEAST_RETENTION_DAYS) * DAY_MS;
}

export const recordRules: Rules<'retention' | 'incident' | 'token'> = {
  retention: {
    admissible(state, payload, time) {
      assertCharter(state, payload.charter);
      if (new Set(payload.runs).size !== payload.runs.length)
        throw new FederationError('REPLAY', 'a run is named twice');
      for (const id of payload.runs) {
        const run = runOf(state, id);
        if (run.phase.name !== 'finished')
          throw new FederationError('STATE', `run ${id} is not finished: its bodies are still needed`);
        if (time < run.phase.at + leastRetentionMs(state))
          throw new FederationError(
            'STATE',
            `run ${id} ended less than ${leastRetentionMs(state) / DAY_MS} days ago: so long the charter keeps its bodies as evidence`,
          );
        if (run.expiredAt !== undefined)
          throw new FederationError('REPLAY', `the bodies of run ${id} have expired before`);
      }
    },
    apply(state, payload, { entry }) {
      for (const id of payload.runs) runOf(state, id).expiredAt = entry.time;
    },
  },

  incident: {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
    },
    apply(state, { reason }, { entry }) {
      state.incidents.push({ at: entry.time, reason });
    },
  },

  token: {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
    },
    apply() {},
  },
};
