/** A data contract of two numbers and a category, a CSV of applicants that fits it, and a plan over them. */
import { writeFile } from 'node:fs/promises';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import type { PlanInput } from '#shared/protocol/plan.ts';

export const tinyContract: DataContract = dataContract.parse({
  v: 1,
  name: 'tiny',
  target: { column: 'defaulted', bad: '1', good: '0' },
  features: [
    { name: 'income', type: 'number', min: 0, max: 200_000, scale: 'log' },
    { name: 'age', type: 'number', min: 18, max: 90 },
    { name: 'purpose', type: 'category', categories: ['car', 'home'] },
  ],
});

export interface Applicant {
  readonly income: string;
  readonly age: string;
  readonly purpose: string;
  readonly defaulted: 0 | 1;
}

/** Seeded; somewhat more of the poor and the young default. */
export function tinyApplicants(rows: number, seed: string): Applicant[] {
  const generator = new SeededGenerator('tiny-applicants', seed);
  return Array.from({ length: rows }, () => {
    const income = Math.round(10_000 + generator.nextUnit() ** 2 * 150_000);
    const age = Math.round(18 + generator.nextUnit() * 60);
    const risk = 0.15 + (income < 40_000 ? 0.25 : 0) + (age < 30 ? 0.2 : 0);
    return {
      income: String(income),
      age: String(age),
      purpose: generator.nextUnit() < 0.5 ? 'car' : 'home',
      defaulted: generator.nextUnit() < risk ? 1 : 0,
    };
  });
}

export async function writeApplicants(path: string, applicants: readonly Applicant[]): Promise<void> {
  const lines = applicants.map((a) => `${a.income},${a.age},${a.purpose},${a.defaulted}`);
  await writeFile(path, `income,age,purpose,defaulted\n${lines.join('\n')}\n`);
}

export interface TinyPlanOptions {
  readonly name?: string;
  /** Rounds of training; two rounds of statistics come before them and one to evaluate after. */
  readonly rounds?: number;
  readonly minimum?: number;
  readonly retries?: number;
  readonly seed?: string;
  readonly hidden?: readonly number[];
  readonly deadlines?: PlanInput['deadlines'];
}

let plans = 0;

export function tinyPlan(participants: readonly string[], options: TinyPlanOptions = {}): ProposedPlan {
  const { name = `tiny ${++plans}`, rounds = 1, minimum = participants.length, retries } = options;
  return {
    v: 1,
    name,
    program: {
      name: 'fedavg',
      settings: {
        network: { hidden: [...(options.hidden ?? [])], dropout: 0 },
        local: { epochs: 1, batchSize: 16, learningRate: 0.05 },
        stop: { rounds },
      },
    },
    participants: [...participants].sort((a, b) => (a < b ? -1 : 1)),
    cohort: { minimum },
    aggregation: 'plain',
    seed: options.seed ?? 'tiny',
    deadlines: { consentMs: 60_000, roundMs: 60_000, absenceMs: 30_000, ...options.deadlines },
    ...(retries === undefined ? {} : { retries }),
  };
}
