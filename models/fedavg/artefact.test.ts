import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import { networkArtefact, type TrainedNetwork } from '#models/fedavg/artefact.ts';
import { trueLogit } from '#models/fedavg/losses/loss.ts';
import { createRowTransform } from '#models/preprocessing/transform.ts';
import { scorerOf } from '#models/scorer.ts';
import { rowOfBaseline } from '#models/scoring/row.ts';
import { scaling } from '#models/scoring/scaling.ts';
import { canonicalBytes, parseCanonicalJson, type Json } from '#shared/crypto/canonical-json.ts';
import { dataContract } from '#shared/contract/contract.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 20, max: 70 },
    { name: 'home', type: 'category', categories: ['own', 'rent'], missing: 'refused' },
    { name: 'income', type: 'number', min: -50, max: 1e6, scale: 'log', missing: 'refused' },
  ],
});
/** Inputs: age, age is missing, own, rent, other, income. */
const trained: TrainedNetwork = {
  contract,
  fit: { means: [0.5, 0.75], deviations: [0.25, 0.125] },
  modes: ['rent'],
  shape: { inputs: 6, hidden: [], dropout: 0 },
  weights: Float32Array.of(2, -1, 0.5, 0.25, 0.125, -1, -3),
  link: undefined,
  calibration: {
    map: { method: 'platt', slope: 1.25, intercept: -0.5 },
    table: [{ rows: 50, bads: 4, meanPd: 0.0625 }],
    hosmerLemeshow: { chiSquare: 0.25, degrees: 1, p: 0.6170750774519738 },
  },
  metrics: { auc: 0.75, logLoss: 0.1 },
  segments: [],
  scaling: scaling.parse({}),
  cutoffs: undefined,
};
/** After a trip through its bytes. */
function made(network: TrainedNetwork): Json {
  return parseCanonicalJson(new TextDecoder().decode(canonicalBytes(networkArtefact(network))));
}
const artefact = made(trained);
const read = parseArtefact(artefact);

describe('the artefact of a network', () => {
  test('scores rows as worked out by hand, after a trip through its canonical bytes', () => {
    const { logit } = scorerOf(read);
    // z of age: (u − 0.5) / 0.25; logit = 2z − missing + ½ own + ¼ rent + ⅛ other − z of income − 3
    const row = (age: number, home: number) => Float64Array.of(age, home, -50); // income at its lowest: z = −5, the limit
    expect(logit(row(45, 1))).toBeCloseTo(0.5 + 5 - 3, 6);
    expect(logit(row(70, 3))).toBeCloseTo(4 + 0.125 + 5 - 3, 6);
    expect(logit(row(Number.NaN, 1))).toBeCloseTo(-1 + 0.5 + 5 - 3, 6);
    expect(logit(row(32.5, 2))).toBeCloseTo(-2 + 0.25 + 5 - 3, 6);
  });

  test('holds its weights as little-endian float32 in base64, those of the view alone', () => {
    const bytes = Buffer.alloc(28);
    trained.weights.forEach((weight, i) => bytes.writeFloatLE(weight, 4 * i));
    expect(read).toMatchObject({ parameters: { weights: bytes.toString('base64') } });
    const view = Float32Array.of(9, ...trained.weights, 9).subarray(1, 8);
    expect(made({ ...trained, weights: view })).toEqual(artefact);
  });

  test('has as baseline the means, which lie at 0 for the network, and the most frequent categories', () => {
    const { row } = read.baseline;
    expect(row[0]).toBeCloseTo(45, 10);
    expect(row[1]).toBe('rent');
    expect(read.baseline.kind).toBe('mean-mode');
    const inputs = new Float32Array(6);
    createRowTransform(contract, trained.fit)(Float64Array.of(45, 2, row[2] as number), inputs);
    expect(inputs[5]).toBeCloseTo(0, 6);
    // three quarters of the way from −ln 51 to ln 1000001
    const onScale = -Math.log(51) + 0.75 * (Math.log(1_000_001) + Math.log(51));
    expect(row[2]).toBeCloseTo(Math.exp(onScale) - 1, 6);
  });

  test('carries the calibration record as it is', () => {
    expect(read.calibration).toEqual(trained.calibration);
  });

  test.each([
    { kind: 'class-weighted', badWeight: 4 },
    { kind: 'focal', alpha: 0.75, gamma: 2 },
  ] as const)('trained on the loss %j scores by log-odds of the true PD, and so do its reasons', (link) => {
    const bent = scorerOf(parseArtefact(made({ ...trained, link })));
    const plain = scorerOf(read);
    const row = Float64Array.of(33, 2, 1200);
    expect(bent.logit(row)).toBe(trueLogit(link, plain.logit(row)));
    const base = rowOfBaseline(contract, read.baseline.row);
    const parts = bent.contributions(row).reduce((a, b) => a + b, 0);
    expect(parts).toBeCloseTo(bent.logit(row) - bent.logit(base), 6);
  });

  test('says nothing of a loss that bends nothing', () => {
    if (read.kind !== 'network') throw new Error('not a network');
    expect(Object.keys(read.parameters).sort()).toEqual(['network', 'weights']);
  });

  test('with weights or inputs that are not its network’s is refused', () => {
    const refused = expect.objectContaining({ code: 'SCHEMA' });
    const short = made({ ...trained, weights: trained.weights.subarray(0, 6) });
    expect(() => parseArtefact(short)).toThrow(refused);
    const narrow = made({ ...trained, shape: { ...trained.shape, inputs: 5 } });
    expect(() => parseArtefact(narrow)).toThrow(refused);
    const whole = structuredClone(read);
    if (whole.kind !== 'network') throw new Error('not a network');
    for (const weights of ['A', 'AAA=', '!!!!']) {
      const broken = { ...whole, parameters: { ...whole.parameters, weights } };
      expect(() => parseArtefact(broken)).toThrow(refused);
      expect(() => scorerOf(broken)).toThrow(refused);
    }
  });
});
