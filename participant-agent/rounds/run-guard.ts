/** The bank's policy, as its part in a run asks it. */
import { objectionsTo } from '#participant-agent/policy/policy.ts';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { assertOwnRun } from '#participant-agent/rounds/peers.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantGuard } from '#shared/participant/participant.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export function guardOf(run: Run, context: AgentContext): ParticipantGuard {
  const { policy } = context;
  return {
    assertMayTakePart() {
      assertOwnRun(run, run.started!.payload.identityKeys, context);
    },
    assertMayAnswer(open) {
      // it may have been changed since the bank consented
      const objections = objectionsTo(run.plan, policy);
      if (objections.length > 0) throw new FederationError('POLICY', objections.join('; '));
      if (open.roster.length < policy.minimumCohort) {
        throw new FederationError(
          'POLICY',
          `${open.roster.length} banks take part, this bank requires ${policy.minimumCohort}`,
        );
      }
      if (open.payload.round >= policy.maximumRounds) {
        throw new FederationError(
          'POLICY',
          `this bank takes part in at most ${policy.maximumRounds} rounds of a run`,
        );
      }
    },
    assertMayCertify() {},
  };
}
