/** What this bank's policy, and what it has answered before, say of one run: its part in the run asks. */
import { fewestOf, objectionsTo } from '#participant-agent/policy/policy.ts';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { assertOwnRun } from '#participant-agent/rounds/peers.ts';
import type { Query } from '#participant-agent/state/query-ledger.ts';
import { programNamed } from '#models/catalogue.ts';
import { assertNoSubtraction } from '#shared/guard/subtraction.ts';
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { survivorsOf } from '#shared/ledger/rounds.ts';
import type { Candour, ParticipantGuard } from '#shared/participant/participant.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export class RunGuard implements ParticipantGuard {
  /** Which rows the run is about, once they are read. */
  rows: string | undefined;
  private readonly run: Run;
  private readonly context: AgentContext;

  constructor(run: Run, context: AgentContext) {
    this.run = run;
    this.context = context;
  }

  get candour(): Candour {
    const { explains, contracts } = this.context.policy;
    if (explains) return 'explain';
    return contracts !== 'any' && contracts.includes(this.run.plan.contract) ? 'withdraw' : 'silent';
  }

  get fewest(): number {
    return fewestOf(this.run, this.context.policy);
  }

  assertMayTakePart(): void {
    const { run, context } = this;
    assertOwnRun(run, run.started!.payload.identityKeys, context);
    this.assertEnough(run.roster.length);
    if (run.plan.aggregation === 'masked') this.assertNoSubtraction(run.roster);
  }

  assertMayAnswer({ roster, payload }: OpenRound): void {
    const { run, context } = this;
    const { policy } = context;
    // it may have been changed since the bank consented
    const objections = objectionsTo(run, policy);
    if (objections.length > 0) throw new FederationError('POLICY', objections.join('; '));
    this.assertEnough(roster.length);
    if (payload.round >= policy.maximumRounds) {
      throw new FederationError(
        'POLICY',
        `this bank takes part in at most ${policy.maximumRounds} rounds of a run`,
      );
    }
  }

  assertMayCertify(open: OpenRound): void {
    const query = this.queryOf(open);
    this.assertEnough(survivorsOf(open).length);
    if (query !== undefined) this.assertNoSubtraction(query.banks);
  }

  /** What is to be remembered of a sum before it is certified. */
  queryOf(open: OpenRound): Query | undefined {
    const { rows, run } = this;
    const { kind } = open.payload.question;
    if (rows === undefined || !programNamed(run.plan.program.name).isOfOneCompany(kind)) return undefined;
    return { run: run.id, rows, banks: survivorsOf(open).map((index) => open.roster[index]!) };
  }

  private assertEnough(banks: number): void {
    if (banks >= this.fewest) return;
    throw new FederationError('POLICY', `${banks} banks take part, this bank requires ${this.fewest}`);
  }

  private assertNoSubtraction(banks: readonly ParticipantId[]): void {
    if (this.rows === undefined) return;
    const { queries, policy } = this.context;
    assertNoSubtraction(queries.companiesOf(this.rows, policy.fewestNewRows), banks, this.run.company);
  }
}
