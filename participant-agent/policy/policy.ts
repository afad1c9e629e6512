/**
 * The bank's own policy, `policy.yaml`: what it will take part in, whatever the operator plans. Checked
 * before consent and again in every round.
 */
import { z } from 'zod';
import { PROGRAM_NAMES, programNamed } from '#models/catalogue.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { Plan } from '#shared/protocol/plan.ts';

export const policy = z.strictObject({
  /** `automatic` consents to every plan that passes the rules below; `ask` waits for a person. */
  consent: z.enum(['automatic', 'ask']),
  programs: z.array(z.string()).min(1),
  /** `plain` lets the coordinator see this bank's updates. */
  aggregation: z.array(z.enum(['masked', 'plain'])).min(1),
  /**
   * Fewest banks in a sum, this one included; `derived`: two thirds of those that the plan names, and as many as the
   * consortium has agreed on. With two, each learns the other's part.
   */
  minimumCohort: z.union([z.literal('derived'), z.int().min(2)]),
  /** Most rounds of one run. */
  maximumRounds: z.int().min(1),
  /** `delegate` trusts drawn banks, one of them honest, to have checked the sum of a large model; `full` checks. */
  verify: z.enum(['delegate', 'full']).default('delegate'),
  /** Fingerprints of other banks' keys, by participant id. */
  peers: z.record(z.string(), z.string()).default({}),
  /** Data contracts that are allowed, by hash, or `any`. */
  contracts: z.union([z.literal('any'), z.array(hash)]),
  /**
   * Rows that must be new before a sum over them may be of nearly the same banks as one before: else the two, subtracted,
   * would show a bank. 0: this is not looked at, for whoever has the rows of all banks.
   */
  fewestNewRows: z.int().min(0).default(20),
  /** Whether others are told why this bank cannot go on with a run, when that lies in its rows. */
  explains: z.boolean().default(false),
});
export type Policy = z.infer<typeof policy>;

/** Neither a plan nor the policy changes while an agent runs, and it asks in every round. */
const known = new WeakMap<Run, { rules: Policy; objections: readonly string[] }>();

/** What the policy has against a run's plan, as sentences; empty when nothing. */
export function objectionsTo(run: Run, rules: Policy): readonly string[] {
  const earlier = known.get(run);
  if (earlier?.rules === rules) return earlier.objections;
  const objections = findObjections(run, rules);
  known.set(run, { rules, objections });
  return objections;
}

/** Fewest banks in a sum of this run. */
export function fewestOf({ plan, company }: Run, { minimumCohort }: Policy): number {
  const agreed = plan.aggregation === 'masked' ? company.minimum : 0;
  if (minimumCohort !== 'derived') return Math.max(minimumCohort, agreed);
  return Math.max(3, agreed, Math.ceil((2 * plan.participants.length) / 3));
}

function findObjections(run: Run, rules: Policy): string[] {
  const { plan } = run;
  const fewest = fewestOf(run, rules);
  const objections: string[] = [];
  if (!rules.programs.includes(plan.program.name)) {
    objections.push(
      `the program "${plan.program.name}" is not allowed (allowed: ${rules.programs.join(', ')})`,
    );
  }
  if (!rules.aggregation.includes(plan.aggregation)) {
    objections.push(`${plan.aggregation} aggregation is not allowed`);
  }
  if (plan.cohort.minimum < fewest) {
    objections.push(`rounds of ${plan.cohort.minimum} banks are planned, at least ${fewest} are required`);
  }
  if (rules.contracts !== 'any' && !rules.contracts.includes(plan.contract)) {
    objections.push(`the data contract ${plan.contract} is not on the list`);
  }
  const rounds = plannedRounds(plan);
  if (rounds instanceof FederationError) objections.push(rounds.message);
  else if (rounds > rules.maximumRounds) {
    objections.push(`up to ${rounds} rounds are planned, at most ${rules.maximumRounds} are allowed`);
  }
  return objections;
}

function plannedRounds(plan: Plan): number | FederationError {
  try {
    return programNamed(plan.program.name).maximumRounds(plan.program.settings);
  } catch (error) {
    if (error instanceof FederationError) return error;
    throw error;
  }
}

/** The file that `agent enrol` writes: careful defaults, explained. Local consortia change some. */
export function policyYaml({
  consent = 'ask',
  aggregation = ['masked'],
  minimumCohort = 'derived',
  explains = false,
  fewestNewRows = 20,
}: Partial<
  Pick<Policy, 'consent' | 'aggregation' | 'minimumCohort' | 'explains' | 'fewestNewRows'>
> = {}): string {
  return `# What this bank takes part in. These rules are above the operator: a plan that breaks one is refused.

# automatic: consent to every plan that passes the rules below.
# ask: wait until somebody here runs "tallystick agent consent RUN grant" (or refuse).
consent: ${consent}

# Federated programs that may run on this bank's rows.
programs: [${PROGRAM_NAMES.join(', ')}]

# masked: the coordinator learns sums only. plain: it sees this bank's updates (never its rows).
aggregation: [${aggregation.join(', ')}]

# Large sums (over 16 MiB of vectors a round): delegate trusts a few banks, drawn anew each round so that one of them is
# honest, to have checked them; full checks every sum here. Small sums are always checked here.
verify: delegate

# Keys of other banks, by fingerprint, compared over another channel (each bank was shown its own when it
# enrolled). For banks that are not listed the first key seen counts; any other later is refused.
peers: {}

# Fewest banks in a sum, this one included: a number, or derived: two thirds of those that the plan names, and as many as
# the consortium has agreed on in its charter. With two, each could work out the other's part.
minimumCohort: ${minimumCohort}

# Most rounds of one run.
maximumRounds: 500

# Data contracts that are allowed: any, or a list of hashes.
contracts: any

# A sum over rows that were added up before must be of the same banks as then, or of very different ones: else the two,
# subtracted, would show a bank. Not so when so many rows are new; 0: not looked at, where all rows are one's own.
fewestNewRows: ${fewestNewRows}

# Whether the others are told why this bank cannot go on with a run when that lies in its rows. If not, they are told that
# it has withdrawn, where the contract is listed above, or else nothing.
explains: ${explains}
`;
}
