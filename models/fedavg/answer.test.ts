import { describe, expect, test } from 'vitest';
import { createFedavgAnswerer } from '#models/fedavg/answer.ts';
import { fedavg } from '#models/fedavg/program.ts';
import { createNetworkTrainer } from '#models/fedavg/train-network.ts';
import { evaluationFields } from '#models/evaluation/evaluation.ts';
import { lossSums } from '#models/metrics/exact-metrics.ts';
import { discriminationOf } from '#models/metrics/score-histogram.ts';
import { transformTable } from '#models/preprocessing/transform.ts';
import type { Answer, Question } from '#models/program.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { dataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { RingSum } from '#shared/ring/ring-sum.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [{ name: 'x', type: 'number', min: -2, max: 2, missing: 'refused' }],
});
const SETTINGS = {
  network: { hidden: [], dropout: 0 },
  local: { optimizer: 'sgd', learningRate: 2, batchSize: 50 },
  rowsCap: 320,
  holdoutFraction: 0.25,
  clip: 0.05,
  stop: { rounds: 2 },
};

function makeTable(rows: number): Table {
  const generator = new SeededGenerator('answer test');
  const [feature] = contract.features;
  if (feature?.type !== 'number') throw new Error('not the contract above');
  const values = Float64Array.from({ length: rows }, () => 4 * generator.nextUnit() - 2);
  const bad = Uint8Array.from(values, (x) => (generator.nextUnit() < 1 / (1 + Math.exp(1 - 2 * x)) ? 1 : 0));
  return { rowCount: rows, bad, columns: [{ feature, values }] };
}

const xOf = (table: Table) => [...(table.columns[0] as { values: Float64Array }).values];

/** The train question one bank comes to, with everything that bank answered on the way. */
async function trainQuestion(table: Table, settings: Json = SETTINGS) {
  const setup = { contract, settings, participants: 1, seed: 'seed' };
  const answerer = await createFedavgAnswerer(setup, table);
  const ignore = () => {};
  let step = fedavg.begin(setup);
  const answers: Answer[] = [];
  while (step.kind === 'ask' && step.question.kind !== 'train') {
    const { question, state } = step;
    const answer = await answerer.answer(question, ignore);
    answers.push(answer);
    step = fedavg.next(
      state,
      new RingSum(encodeFields(answer, question.fields, question.ring, 's'), question.fields, 1),
    );
  }
  if (step.kind !== 'ask') throw new Error('the program ended early');
  return { answerer, answers, question: step.question, answer: await answerer.answer(step.question, ignore) };
}

const fitOf = (question: Question) =>
  (question.settings as unknown as { fit: { means: number[]; deviations: number[] } }).fit;

describe("a bank's answer", () => {
  test('to the questions about the data covers all its rows, kept back or not', async () => {
    const table = makeTable(400);
    const { answers, answerer } = await trainQuestion(table);
    expect(answers[0]).toMatchObject({ rows: Float64Array.of(400), present: Float64Array.of(400) });
    expect(answers[0]!['bads']).toEqual(Float64Array.of(table.bad.reduce((a, b) => a + b, 0)));
    answerer.dispose();
  });

  test('to train is the clipped change of its own training, times its share of the cap', async () => {
    const table = makeTable(400);
    const { answer, question, answerer } = await trainQuestion(table);
    const weights = question.tensors['weights'] as Float32Array;
    const training = splitByKey(table, 0.25, 'seed').training.table;
    const rows = training.rowCount;
    const trainer = await createNetworkTrainer(
      { inputs: 1, hidden: [], dropout: 0 },
      { features: transformTable(contract, fitOf(question), training), bad: training.bad, rows },
    );
    const trained = await trainer.train({
      weights,
      epochs: 1,
      batchSize: 50,
      optimizer: 'sgd',
      learningRate: 2,
      epsilon: 0.01,
      loss: { kind: 'cross-entropy' },
      proximal: 0,
      seed: 'seed/0',
      progress: () => {},
    });
    const changes = [...trained.weights].map((w, i) => w - weights[i]!);
    expect(Math.max(...changes.map(Math.abs))).toBeGreaterThan(0.05); // so that the clip shows
    expect(answer['exampleCount']).toEqual(Float64Array.of(rows));
    changes.forEach((change, i) => {
      expect(answer['delta']![i]).toBeCloseTo((rows / 320) * Math.max(-0.05, Math.min(0.05, change)), 6);
    });
    trainer.dispose();
    answerer.dispose();
  });

  test('to train counts no more rows than the cap', async () => {
    const { answer, answerer } = await trainQuestion(makeTable(600));
    expect(answer['exampleCount']).toEqual(Float64Array.of(320));
    expect(Math.max(...answer['delta']!.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.05));
    answerer.dispose();
  });

  test('judges the model it received on the rows kept back', async () => {
    const table = makeTable(400);
    const { answer, question, answerer } = await trainQuestion(table);
    const holdout = splitByKey(table, 0.25, 'seed').holdout.table;
    const [w, b] = question.tensors['weights'] as Float32Array as unknown as [number, number];
    const { means, deviations } = fitOf(question);
    const logits = Float64Array.from(
      xOf(holdout),
      (x) => w * (((x + 2) / 4 - means[0]!) / deviations[0]!) + b,
    );
    const expected = lossSums(logits, holdout.bad);
    expect(answer['logLoss']![0]).toBeCloseTo(expected.logLoss, 4);
    expect(answer['brier']![0]).toBeCloseTo(expected.brier, 4);
    expect(answer['pd']![0]).toBeCloseTo(expected.pd, 4);
    const [bad, good] = [answer['holdoutBad'] as Float64Array, answer['holdoutGood'] as Float64Array];
    const bads = bad.reduce((x, y) => x + y, 0);
    expect(bads).toBe(holdout.bad.reduce((x, y) => x + y, 0));
    expect(good.reduce((x, y) => x + y, bads)).toBe(holdout.rowCount);
    // the weight is positive or not: the histogram must order bads and goods as the scores do
    const { auc } = discriminationOf(bad, good)!;
    expect(auc > 0.5).toBe(w > 0);
    answerer.dispose();
  });

  test('computed again by another answerer is the same to the bit', async () => {
    const table = makeTable(200);
    const [one, other] = [await trainQuestion(table), await trainQuestion(table)];
    expect(other.answer).toEqual(one.answer);
    one.answerer.dispose();
    other.answerer.dispose();
  });

  test('to train uses the learning rate of its round', async () => {
    const schedule = { kind: 'step', every: 1, factor: 0.25 };
    const table = makeTable(300);
    const settings = { ...SETTINGS, clip: 100, local: { ...SETTINGS.local, batchSize: 1000, schedule } };
    const { question, answer, answerer } = await trainQuestion(table, settings);
    const later = { ...question, settings: { ...(question.settings as object), round: 1 } } as Question;
    const second = await answerer.answer(later, () => {});
    // one full-batch step from the same weights: a quarter of the way
    answer['delta']!.forEach((change, i) => expect(second['delta']![i]).toBeCloseTo(change / 4, 6));
    answerer.dispose();
  });

  test('to evaluate judges each candidate by log-odds of the true PD', async () => {
    const table = makeTable(400);
    const loss = { kind: 'class-weighted', badWeight: 5 };
    const settings = { ...SETTINGS, local: { ...SETTINGS.local, loss } };
    const { question, answerer } = await trainQuestion(table, settings);
    const weights = question.tensors['weights'] as Float32Array;
    const tensors = { best: weights, last: weights.map((w) => -w) };
    const fields = ['best', 'last'].flatMap((name) => evaluationFields(name, []));
    const evaluate: Question = { ...question, kind: 'evaluate', ring: 'u64', fields, tensors };
    const answer = await answerer.answer(evaluate, () => {});
    const holdout = splitByKey(table, 0.25, 'seed').holdout.table;
    const { means, deviations } = fitOf(question);
    for (const [name, [w, b]] of Object.entries(tensors)) {
      const logits = Float64Array.from(
        xOf(holdout),
        (x) => w! * (((x + 2) / 4 - means[0]!) / deviations[0]!) + b! - Math.log(5),
      );
      const expected = lossSums(logits, holdout.bad);
      expect(answer[`${name}LogLoss`]![0]! / 2 ** 20).toBeCloseTo(expected.logLoss, 3);
      expect(answer[`${name}Pd`]![0]! / 2 ** 20).toBeCloseTo(expected.pd, 3);
      const counted = (half: string) =>
        [...answer[`${name}${half}Bad`]!, ...answer[`${name}${half}Good`]!].reduce((x, y) => x + y, 0);
      expect(counted('First') + counted('Second')).toBe(holdout.rowCount);
      expect(Math.abs(counted('First') - holdout.rowCount / 2)).toBeLessThan(25);
    }
    const again = await createFedavgAnswerer({ contract, settings, participants: 1, seed: 'seed' }, table);
    expect(await again.answer(evaluate, () => {})).toEqual(answer);
    for (const one of [answerer, again]) one.dispose();
  });
});
