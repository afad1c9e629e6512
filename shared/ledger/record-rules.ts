/** What is said about the ledger itself: which bodies are gone, and what people should know. */
import { runOf, type Rules } from '#shared/ledger/federation-state.ts';
import { assertCharter } from '#shared/ledger/membership-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export const recordRules: Rules<'retention' | 'incident'> = {
  retention: {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
      if (new Set(payload.runs).size !== payload.runs.length)
        throw new FederationError('REPLAY', 'a run is named twice');
      for (const id of payload.runs) {
        const run = runOf(state, id);
        if (run.phase.name !== 'finished')
          throw new FederationError('STATE', `run ${id} is not finished: its bodies are still needed`);
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
};
