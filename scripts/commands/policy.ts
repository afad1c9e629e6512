/** `tallystick agent policy check`: what a bank's rules allow, in words, before anybody relies on them. */
import { join } from 'node:path';
import { readPolicy } from '#participant-agent/policy/policy-file.ts';
import type { Policy } from '#participant-agent/policy/policy.ts';
import { EXIT, paint, print, printJson } from '#scripts/commands/output.ts';

/** @throws FederationError CONFIG naming the rule that makes no sense */
export async function checkPolicy(options: { folder: string; json?: boolean }): Promise<number> {
  const policy = await Promise.resolve(readPolicy(join(options.folder, 'policy.yaml')));
  const { allows, warnings } = describePolicy(policy);
  if (options.json === true) {
    printJson({ policy, warnings });
    return EXIT.ok;
  }
  for (const sentence of allows) print(sentence);
  for (const sentence of warnings) print(`${paint('yellow', 'note')}: ${sentence}`);
  print('An agent that runs reads the file again before every decision and every round.');
  return EXIT.ok;
}

export function describePolicy(policy: Policy): { allows: string[]; warnings: string[] } {
  const { consent, programs, aggregation, minimumCohort, maximumRounds, contracts, peers, verify } = policy;
  const isPlain = aggregation.includes('plain');
  const known = Object.keys(peers).length;
  const allows = [
    consent === 'ask'
      ? 'A person decides on every run that keeps the rules below.'
      : 'Every run that keeps the rules below is consented to without a person.',
    `Programs: ${programs.join(', ')}.`,
    `Sums: ${aggregation.join(' or ')}, with at least ${minimumCohort === 'derived' ? "two thirds of the plan's banks, and as many as the charter says," : `${minimumCohort} banks`} in each; ${verify === 'full' ? 'each is checked here' : 'large ones are checked by banks that are drawn'}.`,
    `A run has at most ${maximumRounds} rounds.`,
    contracts === 'any' ? 'Any data contract.' : `${contracts.length} data contracts, by hash.`,
    known === 0
      ? 'Keys of other banks: the first that is seen counts.'
      : `Keys of ${known} other banks are known.`,
  ];
  const warnings = [
    ...(isPlain ? ["plain aggregation is allowed: the coordinator then sees this bank's updates"] : []),
    ...(minimumCohort !== 'derived' && minimumCohort < 3
      ? ['with two banks in a sum, each can work out the part of the other']
      : []),
    ...(consent === 'automatic' && contracts === 'any'
      ? [
          'any question about any column that the operator names is consented to; list the contracts that were read',
        ]
      : []),
  ];
  return { allows, warnings };
}
