/** The banks' halves of the programs. Imports training engines: only agents load this file. */
import { createFedavgAnswerer } from '#models/fedavg/answer.ts';
import { createLogisticAnswerer } from '#models/logistic/answer.ts';
import { createProfileAnswerer } from '#models/profile/answer.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { createGbdtAnswerer } from '#models/gbdt/answer.ts';
import type { CreateAnswerer } from '#models/program.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const answerers: Readonly<Record<string, CreateAnswerer>> = {
  fedavg: createFedavgAnswerer,
  logistic: createLogisticAnswerer,
  profile: createProfileAnswerer,
  scorecard: createScorecardAnswerer,
  gbdt: createGbdtAnswerer,
};

/** @throws FederationError PLAN */
export function answererNamed(name: string): CreateAnswerer {
  const create = Object.hasOwn(answerers, name) ? answerers[name] : undefined;
  if (create === undefined)
    throw new FederationError('PLAN', `this agent cannot answer the program "${name}"`);
  return create;
}
