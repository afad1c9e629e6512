import { describe, expect, test } from 'vitest';
import { networkArtefact, networkScorerOf } from '#models/fedavg/artefact.ts';
import { canonicalJson, parseCanonicalJson } from '#shared/crypto/canonical-json.ts';
import { dataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 20, max: 70 },
    { name: 'home', type: 'category', categories: ['own'], missing: 'refused' },
  ],
});
const FIT = { means: [0.5], deviations: [0.25] };
/** Inputs: age, age is missing, own, other. */
const SHAPE = { inputs: 4, hidden: [], dropout: 0 };
const WEIGHTS = Float32Array.of(2, -1, 0.5, 0.25, -3);
const METRICS = { auc: 0.75, logLoss: 0.1 };

const artefact = networkArtefact(contract, FIT, SHAPE, WEIGHTS, METRICS);

function tableOf(ages: number[], homes: number[]): Table {
  const [age, home] = contract.features;
  if (age?.type !== 'number' || home?.type !== 'category') throw new Error('not the contract above');
  return {
    rowCount: ages.length,
    bad: new Uint8Array(ages.length),
    columns: [
      { feature: age, values: Float64Array.from(ages) },
      { feature: home, codes: Uint16Array.from(homes) },
    ],
  };
}

describe('a model artefact', () => {
  test('scores rows as worked out by hand, after a trip through its canonical bytes', () => {
    const score = networkScorerOf(parseCanonicalJson(canonicalJson(artefact)));
    // z of age: (u − 0.5) / 0.25; logit = 2z − missing + ½ own + ¼ other − 3
    const logits = score(tableOf([45, 70, Number.NaN, 32.5, 20], [1, 2, 1, 2, 0]));
    const expected = [0.5 - 3, 4 + 0.25 - 3, -1 + 0.5 - 3, -2 + 0.25 - 3, -4 - 3];
    expect(logits).toBeInstanceOf(Float64Array);
    expected.forEach((logit, i) => expect(logits[i]).toBeCloseTo(logit, 6));
  });

  test('holds its weights as little-endian float32 in base64', () => {
    const bytes = Buffer.alloc(20);
    [2, -1, 0.5, 0.25, -3].forEach((weight, i) => bytes.writeFloatLE(weight, 4 * i));
    expect((artefact as { weights: string }).weights).toBe(bytes.toString('base64'));
  });

  test('holds the contract, the standardisation and the figures it was made with', () => {
    expect(artefact).toMatchObject({
      v: 1,
      kind: 'network',
      contract,
      standardisation: FIT,
      network: SHAPE,
      metrics: METRICS,
    });
  });

  test('made of weights that are a view holds those alone', () => {
    const view = Float32Array.of(9, ...WEIGHTS, 9).subarray(1, 6);
    expect(networkArtefact(contract, FIT, SHAPE, view, METRICS)).toEqual(artefact);
  });

  const whole = artefact as Record<string, unknown>;
  test.each([
    ['nothing', null],
    ['text', 'model'],
    ['another kind of model', { ...whole, kind: 'forest' }],
    ['another version', { ...whole, v: 2 }],
    ['no weights', { ...whole, weights: undefined }],
    ['weights as numbers', { ...whole, weights: [...WEIGHTS] }],
    ['no contract', { ...whole, contract: {} }],
    ['a deviation of 0', { ...whole, standardisation: { means: [0], deviations: [0] } }],
    ['a key nobody knows', { ...whole, comment: 'x' }],
  ])('is not seen in %s', (_what, value) => {
    expect(() => networkScorerOf(value)).toThrow(expect.objectContaining({ code: 'SCHEMA' }));
  });

  test('with a number of weights that is not its network’s is refused', () => {
    const short = networkArtefact(contract, FIT, SHAPE, WEIGHTS.subarray(0, 4), METRICS);
    expect(() => networkScorerOf(short)).toThrow(expect.objectContaining({ code: 'SHAPE' }));
  });
});
