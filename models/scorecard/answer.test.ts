import { expect, test } from 'vitest';
import { readLikelihood } from '#models/newton/likelihood-sums.ts';
import type { Question } from '#models/program.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { triangleLength } from '#models/newton/newton.ts';
import { scorecard } from '#models/scorecard/program.ts';
import { lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { assertNoOverflow } from '#shared/ring/field.ts';
import { RingSum } from '#shared/ring/ring-sum.ts';
import { isNumberColumn } from '#shared/contract/table.ts';

const setup = { contract: lenderContract, settings: {}, participants: 1, seed: 'seed' };
const table = madeUpLender(600, 'answer');

/** The first Newton question of a run over this one bank, with the answers summed. */
async function newtonQuestion(): Promise<Question> {
  const answerer = await createScorecardAnswerer(setup, table);
  let step = scorecard.begin(setup);
  while (step.kind === 'ask' && step.question.kind !== 'newton') {
    const { fields, ring } = step.question;
    const words = encodeFields(await answerer.answer(step.question, () => {}), fields, ring, 's');
    step = scorecard.next(step.state, new RingSum(words, fields, 1));
  }
  if (step.kind !== 'ask') throw new Error('the program ended early');
  return step.question;
}

interface Model {
  features: number[];
  bins: { edges: number[]; special: number[] }[];
  inputs: number[][];
  coefficients: number[];
}

/** −Σ log-likelihood of the training rows, with the engine's functions and a search through the edges. */
function logLossAt(model: Model, coefficients: readonly number[]): number {
  const { training } = splitByKey(table, 0.2, 'seed');
  let sum = 0;
  for (let row = 0; row < training.table.rowCount; row++) {
    let z = coefficients[0]!;
    model.features.forEach((feature, j) => {
      const column = training.table.columns[feature]!;
      const { edges, special } = model.bins[j]!; // undefined for a category, and then not looked at
      const value = isNumberColumn(column) ? column.values[row]! : column.codes[row]!;
      const bin = !isNumberColumn(column)
        ? (value + model.inputs[j]!.length - 1) % model.inputs[j]!.length
        : Number.isNaN(value)
          ? edges.length + special.length + 1
          : special.includes(value)
            ? edges.length + 1 + special.indexOf(value)
            : edges.filter((e) => e < value).length;
      z += coefficients[j + 1]! * model.inputs[j]![bin]!;
    });
    sum += Math.log1p(Math.exp(training.table.bad[row] === 1 ? -z : z));
  }
  return sum;
}

test('gradient and information are the first and second derivatives of the log-likelihood', async () => {
  const asked = await newtonQuestion();
  const model = asked.settings as unknown as Model;
  const size = model.coefficients.length;
  expect(size).toBeGreaterThan(3);
  const at = model.coefficients.map((c, j) => c + 0.3 - 0.1 * j); // not where the gradient vanishes
  const question = { ...asked, settings: { ...model, coefficients: at } as unknown as Json };
  const answerer = await createScorecardAnswerer(setup, table);
  const sumAt = async (coefficients: number[]) => {
    const settings = { ...model, coefficients } as unknown as Json;
    const answer = await answerer.answer({ ...question, settings }, () => {});
    return new RingSum(encodeFields(answer, question.fields, 'u64', 's'), question.fields, 1);
  };
  const sum = await sumAt(at);
  const { gradient, information, logLoss } = readLikelihood(sum, 600);
  const h = 1e-4;
  const moved = (j: number, by: number) => at.map((c, i) => (i === j ? c + by : c));
  let entry = 0;
  for (let j = 0; j < size; j++) {
    const slope = (logLossAt(model, moved(j, h)) - logLossAt(model, moved(j, -h))) / (2 * h);
    expect(gradient[j]! + slope).toBeCloseTo(0, 4);
    const up = readLikelihood(await sumAt(moved(j, h)), 600).gradient;
    const down = readLikelihood(await sumAt(moved(j, -h)), 600).gradient;
    for (let k = j; k < size; k++) {
      expect(information[entry++]! + (up[k]! - down[k]!) / (2 * h)).toBeCloseTo(0, 3);
    }
  }
  expect(entry).toBe(triangleLength(size));
  expect(logLoss).toBeCloseTo(logLossAt(model, at), 3);
});

test('the sums of 128 full banks fit', async () => {
  const { fields } = await newtonQuestion();
  expect(() => assertNoOverflow(fields, 'u64', 128)).not.toThrow();
});

test('more rows than a bank may have are refused', async () => {
  await expect(createScorecardAnswerer(setup, { ...table, rowCount: 2 ** 20 + 1 })).rejects.toMatchObject({
    code: 'TOO_LARGE',
  });
});
