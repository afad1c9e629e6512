/** Every program there is. A new algorithm is one folder and one line here and in `answerers.ts`. */
import { fedavg } from '#models/fedavg/program.ts';
import { logistic } from '#models/logistic/program.ts';
import { profile } from '#models/profile/program.ts';
import { scorecard } from '#models/scorecard/program.ts';
import { gbdt } from '#models/gbdt/program.ts';
import type { Program } from '#models/program.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const programs: Readonly<Record<string, Program>> = { fedavg, gbdt, logistic, profile, scorecard };

/** Names of all programs, as plans and policies give them. */
export const PROGRAM_NAMES: readonly string[] = Object.keys(programs);

/** @throws FederationError PLAN */
export function programNamed(name: string): Program {
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (program === undefined) {
    throw new FederationError('PLAN', `no program "${name}"; there is: ${PROGRAM_NAMES.join(', ')}`);
  }
  return program;
}
