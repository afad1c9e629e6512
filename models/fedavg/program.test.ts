/**
 * The program without any bank: answers are made up here, so that each sum is known. Weights of ±2^-k and
 * clips of 1 keep every number exact in the ring.
 */
import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import { initialWeights, type NetworkShape } from '#models/fedavg/network.ts';
import type { FedavgSettingsInput } from '#models/fedavg/settings.ts';
import type { Answer } from '#models/program.ts';
import { RunMachine } from '#models/run-machine.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { plan } from '#shared/protocol/plan.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'a', type: 'number', min: 0, max: 1, missing: 'refused' },
    { name: 'b', type: 'number', min: 0, max: 1, missing: 'refused' },
  ],
});
/** Two weights and a bias. */
const LOGISTIC: NetworkShape = { inputs: 2, hidden: [], dropout: 0 };
const BINS = 400;

function machineOf(
  settings: Partial<FedavgSettingsInput> = {},
  banks = 2,
  features = contract.features,
): RunMachine {
  const of = { ...contract, features };
  const participants = Array.from({ length: banks }, (_, i) => `bank-${String(i).padStart(4, '0')}`);
  const parsed = plan.parse({
    v: 1,
    name: 'spring',
    contract: contractHash(of),
    program: {
      name: 'fedavg',
      settings: { network: { hidden: [], dropout: 0 }, stop: { rounds: 3 }, rowsCap: 1024, ...settings },
    },
    participants,
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed: 'seed',
  });
  return new RunMachine(parsed, of, banks);
}

/** Sums the answers of as many banks and moves on. */
function give(machine: RunMachine, ...answers: Answer[]): void {
  const { question, length } = machine.asked!;
  const sum = createWords(question.ring, length);
  for (const answer of answers)
    addInto(sum, encodeFields(answer, question.fields, question.ring, 'rounding'));
  machine.next(sum, answers.length, vectorRoot(sum));
}

const MEANS = { rows: [1000], bads: [300], present: [1000, 1000], totals: [500, 250] };
const SPREADS = { squares: [90, 160] };

function answer(fields: Record<string, readonly number[]>): Answer {
  return Object.fromEntries(
    Object.entries(fields).map(([name, values]) => [name, Float64Array.from(values)]),
  );
}

/** Hold-out figures: as many bads as goods, all bads above all goods but for `swapped` of ten pairs. */
function judged(logLoss: number, swapped = 0): Record<string, number[]> {
  const histogram = (low: number) =>
    Array<number>(BINS)
      .fill(0)
      .with(100, low)
      .with(300, 10 - low);
  return {
    holdoutBad: histogram(swapped),
    holdoutGood: histogram(10 - swapped),
    logLoss: [logLoss * 20],
    brier: [2],
    pd: [10],
  };
}

/**
 * The same for the evaluation of candidates, by name: a log-loss, how many of ten pairs are swapped, and the log-odds of
 * the rows, which are ± this. In two halves, and in the fields' own units, quanta of 2^-20.
 */
function evaluated(
  candidates: Readonly<Record<string, readonly [number, number?, number?]>>,
): Record<string, number[]> {
  const fields: Record<string, number[]> = {};
  for (const [name, [logLoss, swapped = 0, size = 4]] of Object.entries(candidates)) {
    const { holdoutBad, holdoutGood } = judged(0, swapped) as Record<'holdoutBad' | 'holdoutGood', number[]>;
    for (const half of ['First', 'Second']) {
      fields[`${name}${half}Bad`] = holdoutBad;
      fields[`${name}${half}Good`] = holdoutGood;
      fields[`${name}${half}Logits`] = Array<number>(BINS)
        .fill(0)
        .with(100, -size * 10 * 2 ** 20)
        .with(300, size * 10 * 2 ** 20);
    }
    fields[`${name}LogLoss`] = [Math.round(logLoss * 40 * 2 ** 20)];
    const pd = 1 / (1 + Math.exp(-size));
    const brier = 4 * ((10 - swapped) * (1 - pd) ** 2 + swapped * pd ** 2);
    fields[`${name}Brier`] = [Math.round(brier * 2 ** 20)];
    fields[`${name}Pd`] = [20 * 2 ** 20];
    fields[`${name}TrainingRows`] = [160];
    fields[`${name}TrainingBads`] = [80];
  }
  return fields;
}

/** One figure for each candidate that evaluate asks about. */
function candidatesOf(machine: RunMachine): string[] {
  return Object.keys(machine.asked!.question.tensors);
}

function trained(rows: number, change: readonly number[], rowsCap = 1024): Record<string, number[]> {
  return { exampleCount: [rows], delta: change.map((d) => (rows / rowsCap) * d) };
}

/** Past the two questions about the data. */
function atTraining(settings: Partial<FedavgSettingsInput> = {}, banks = 2): RunMachine {
  const machine = machineOf(settings, banks);
  give(machine, answer(MEANS));
  give(machine, answer(SPREADS));
  return machine;
}

/** Of the question to train, or of the last model in the question to evaluate. */
const weightsOf = (machine: RunMachine) => {
  const { weights, last } = machine.asked!.question.tensors;
  return [...(weights ?? last)!];
};
const kindOf = (machine: RunMachine) => machine.asked?.question.kind ?? 'done';

function artefactOf(machine: RunMachine) {
  const artefact = JSON.parse(new TextDecoder().decode(machine.finished!.artefact)) as {
    parameters: { weights: string };
    metrics: Record<string, number>;
    transform: object;
  };
  const bytes = Buffer.from(artefact.parameters.weights, 'base64');
  return {
    ...artefact,
    weights: Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i)),
  };
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) =>
    expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThanOrEqual(tolerance),
  );
}

describe('the questions', () => {
  test('come in order: means, spreads, as many times train as agreed, evaluate', () => {
    const machine = machineOf({ stop: { rounds: 2 } });
    const kinds = [kindOf(machine)];
    give(machine, answer(MEANS), answer(MEANS));
    kinds.push(kindOf(machine));
    give(machine, answer(SPREADS), answer(SPREADS));
    for (let round = 0; round < 2; round++) {
      kinds.push(kindOf(machine));
      give(machine, answer({ ...judged(0.5), ...trained(100, [0, 0, 0]) }));
    }
    kinds.push(kindOf(machine));
    give(machine, answer(evaluated({ best: [0.5], last: [0.4] })));
    expect([...kinds, kindOf(machine)]).toEqual(['means', 'spreads', 'train', 'train', 'evaluate', 'done']);
    expect(machine.finished!.reason).toBe('all 2 rounds done');
  });

  test('leave out spreads where the contract has no numbers', () => {
    const machine = machineOf({}, 2, [
      { name: 'c', type: 'category', categories: ['x'], missing: 'allowed' },
    ]);
    give(machine, answer({ rows: [5], bads: [1], categories: [4] }));
    expect(kindOf(machine)).toBe('train');
    expect(machine.asked!.question.settings).toMatchObject({
      fit: { means: [], deviations: [] },
      shape: { inputs: 3 },
    });
  });

  test('carry what the sums before them showed', () => {
    const machine = machineOf();
    give(
      machine,
      answer({ rows: [10], bads: [3], present: [10, 8], totals: [5, 2] }),
      answer({ rows: [30], bads: [1], present: [30, 8], totals: [5, 4] }),
    );
    expect(machine.metrics).toEqual({ rows: 40, badRate: 0.1 });
    expect(machine.asked!.question.settings).toEqual({ means: [0.25, 0.375] });
    give(machine, answer({ squares: [1, 1] }), answer({ squares: [1.5, 0] }));
    expect(machine.asked!.question.settings).toMatchObject({
      round: 0,
      fit: { means: [0.25, 0.375], deviations: [0.25, 0.25] },
      shape: { inputs: 2, hidden: [], dropout: 0 },
      local: { epochs: 1, optimizer: 'adam' },
    });
  });

  test('begin training with the weights that follow from the seed', () => {
    expect(weightsOf(atTraining())).toEqual([...initialWeights(LOGISTIC, 'seed')]);
  });

  test('have room for the hold-out rows of the largest bank: half of 2^20 rows of log-loss 3', () => {
    const machine = machineOf({ holdoutFraction: 0.5 }, 300);
    const rows = 2 ** 20;
    give(machine, answer({ rows: [rows], bads: [rows / 4], present: [rows, rows], totals: [1, 1] }));
    give(machine, answer({ squares: [1, 1] }));
    const half = Array<number>(BINS).fill(0);
    const figures = {
      holdoutBad: half.with(0, 2 ** 18),
      holdoutGood: half.with(7, 2 ** 18),
      ...{ logLoss: [3 * 2 ** 19], brier: [2 ** 18], pd: [2 ** 18] },
    };
    give(machine, answer({ ...figures, ...trained(100, [0, 0, 0]) }));
    expect(machine.metrics).toMatchObject({ holdoutRows: 2 ** 19, logLoss: 3, brier: 0.5, meanPd: 0.5 });
  });

  test('show the figures of the model that was judged', () => {
    const machine = atTraining();
    give(
      machine,
      answer({ ...judged(0.5, 1), ...trained(100, [0, 0, 0]) }),
      answer({ ...judged(0.7), ...trained(100, [0, 0, 0]) }),
    );
    // of 20 bads and 20 goods one each lies on the wrong side: AUC = (19·19 + ½·(19 + 19)) / 400 in two bins
    expect(machine.metrics).toMatchObject({
      trainingRound: 0,
      holdoutRows: 40,
      badRate: 0.5,
      brier: 0.1,
      meanPd: 0.5,
    });
    expect(machine.metrics['logLoss']).toBeCloseTo(0.6, 4);
    expect(machine.metrics['auc']).toBeCloseTo((19 * 19 + 19) / 400, 12);
    expect(machine.metrics['ks']).toBeCloseTo(0.9, 12);
  });
});

describe('the average', () => {
  test('weighs each bank by its rows: 100 rows at +½ and 300 at −¼ make −1/16', () => {
    const machine = atTraining();
    const before = weightsOf(machine);
    give(
      machine,
      answer({ ...judged(0.5), ...trained(100, [0.5, 0, 0.25]) }),
      answer({ ...judged(0.5), ...trained(300, [-0.25, 0, 0.75]) }),
    );
    expectClose(weightsOf(machine), [before[0]! - 1 / 16, before[1]!, before[2]! + 0.625], 1e-7);
  });

  test('does not depend on the cap on rows, as long as nobody reaches it', () => {
    const step = (rowsCap: number) => {
      const machine = atTraining({ rowsCap });
      give(
        machine,
        answer({ ...judged(0.5), ...trained(96, [0.5, -1, 0.125], rowsCap) }),
        answer({ ...judged(0.5), ...trained(160, [0.25, 1, 0.5], rowsCap) }),
      );
      return weightsOf(machine);
    };
    expectClose(step(512), step(65_536), 1e-6);
  });

  test('of full-batch gradient steps is the step on the pooled rows', () => {
    // logistic regression by hand: mean gradient of −ln p(y), one step of η = 0.5
    const generator = new SeededGenerator('pooled rows');
    const rows = Array.from({ length: 120 }, () => ({
      x: [2 * generator.nextUnit() - 1, 2 * generator.nextUnit() - 1, 1],
      y: generator.nextUnit() < 0.3 ? 1 : 0,
    }));
    const step = (part: typeof rows, w: readonly number[]) =>
      w.map((_, j) => {
        const gradients = part.map(({ x, y }) => {
          const z = x.reduce((total, value, k) => total + value * w[k]!, 0);
          return (1 / (1 + Math.exp(-z)) - y) * x[j]!;
        });
        return (-0.5 * gradients.reduce((a, b) => a + b, 0)) / part.length;
      });
    for (const borders of [[120], [20, 120], [7, 50, 120]]) {
      const machine = atTraining({}, borders.length);
      const before = weightsOf(machine);
      const parts = borders.map((end, i) => rows.slice(borders[i - 1] ?? 0, end));
      give(
        machine,
        ...parts.map((part) => answer({ ...judged(0.5), ...trained(part.length, step(part, before)) })),
      );
      const pooled = step(rows, before);
      expectClose(
        weightsOf(machine),
        before.map((w, j) => w + pooled[j]!),
        1e-6,
      );
    }
  });

  test('of nobody’s rows is refused, and the question stays', () => {
    const machine = atTraining();
    const { hash } = machine.asked!;
    const none = answer({ ...judged(0.5), ...trained(0, [0, 0, 0]) });
    expect(() => give(machine, none, none)).toThrow(expect.objectContaining({ code: 'DATA_SOURCE' }));
    expect(machine.asked!.hash).toBe(hash);
  });
});

describe('server momentum', () => {
  test('adds half of the last change, and of all before: v ← v/2 + change, w ← w + v', () => {
    const machine = atTraining({ server: { momentum: 0.5 } });
    const start = weightsOf(machine);
    const changes = [0.5, -0.25, 0.125];
    const velocities = [0.5, 0, 0.125]; // ½; ½·½ − ¼; ½·0 + ⅛
    let position = 0;
    changes.forEach((change, round) => {
      give(machine, answer({ ...judged(0.5), ...trained(512, [change, 0, -change]) }));
      position += velocities[round]!;
      expectClose(weightsOf(machine), [start[0]! + position, start[1]!, start[2]! - position], 1e-6);
    });
  });

  test('of 0 forgets what was before', () => {
    const machine = atTraining();
    const start = weightsOf(machine);
    for (const change of [0.5, -0.25, 0.125])
      give(machine, answer({ ...judged(0.5), ...trained(64, [change, 0, 0]) }));
    expectClose(weightsOf(machine), [start[0]! + 0.375, start[1]!, start[2]!], 1e-6);
  });
});

describe('another server optimiser', () => {
  test('takes the average for a gradient: FedAdam by hand, two rounds', () => {
    const settings = { optimizer: 'fedadam', learningRate: 0.5, beta1: 0.5, beta2: 0.75, tau: 0.25 } as const;
    const machine = atTraining({ server: settings });
    let w = weightsOf(machine)[0]!;
    let [m, v] = [0, 0.0625];
    for (const change of [0.5, -0.25]) {
      give(machine, answer({ ...judged(0.5), ...trained(512, [change, 0, 0]) }));
      m = 0.5 * m + 0.5 * change;
      v = 0.75 * v + 0.25 * change * change;
      w += (0.5 * m) / (Math.sqrt(v) + 0.25);
      expectClose([weightsOf(machine)[0]!], [w], 1e-6);
    }
  });
});

describe('the last question', () => {
  const done = (settings: Partial<FedavgSettingsInput>, ...banks: Answer[]): RunMachine => {
    const machine = atTraining({ stop: { rounds: 1 }, ...settings });
    give(machine, answer({ ...judged(0.6), ...trained(64, [0.5, 0, 0]) }));
    give(machine, ...banks);
    return machine;
  };
  const artefact = (machine: RunMachine) =>
    parseArtefact(JSON.parse(new TextDecoder().decode(machine.finished!.artefact)));

  test('asks about the best model so far and the last one, after early stopping about the best alone', () => {
    const late = atTraining({ stop: { rounds: 1 } });
    give(late, answer({ ...judged(0.6), ...trained(64, [0, 0, 0]) }));
    expect(candidatesOf(late)).toEqual(['best', 'last']);
    expect(late.asked!.question.settings).toMatchObject({ rounds: { best: 0, last: 1 } });
    const early = atTraining({ stop: { rounds: 9, patience: 1 } });
    give(early, answer({ ...judged(0.6), ...trained(64, [0, 0, 0]) }));
    give(early, answer({ ...judged(0.7), ...trained(64, [0, 0, 0]) }));
    expect(candidatesOf(early)).toEqual(['best']);
    expect(early.asked!.question.settings).toMatchObject({ rounds: { best: 0 } });
  });

  test('brings the artefact its calibration record: Platt’s line through both groups of rows', () => {
    // of 40 banks' rows at −4 one in ten is bad, at 4 nine in ten: log-odds of ∓ln 9
    const banks = Array.from({ length: 40 }, () => answer(evaluated({ best: [0.6, 1], last: [0.5, 1] })));
    const { calibration, metrics } = artefact(done({}, ...banks));
    expect(calibration.map).toMatchObject({ method: 'platt' });
    if (calibration.map.method !== 'platt') throw new Error('not a line');
    const [before, after] = [
      0.9 * Math.log1p(Math.exp(-4)) + 0.1 * Math.log1p(Math.exp(4)),
      0.325082973391448,
    ];
    const share = 1 - (-2 * Math.log(0.001)) / (2 * 1600 * (before - after)); // of the way from identity
    const slope = 1 + share * (Math.log(9) / 4 - 1);
    expect(calibration.map.slope).toBeCloseTo(slope, 8);
    expect(calibration.map.intercept).toBeCloseTo(0, 8);
    expect(calibration.table.map(({ rows, bads }) => [rows, bads])).toEqual([
      [800, 80],
      [800, 720],
    ]);
    const pd = 1 / (1 + Math.exp(-4 * slope));
    calibration.table.forEach(({ meanPd }, i) => expect(meanPd).toBeCloseTo([1 - pd, pd][i]!, 8));
    expect(metrics).toMatchObject({ trainingRound: 1, holdoutRows: 1600, logLoss: 0.5, meanPd: 0.5 });
    // what the line saves on the rows, added to the figure before it
    const calibrated = 0.9 * Math.log1p(Math.exp(-4 * slope)) + 0.1 * Math.log1p(Math.exp(4 * slope));
    expect(metrics['calibratedLogLoss']).toBeCloseTo(0.5 - before + calibrated, 8);
    expect(metrics['calibrationSlope']).toBeCloseTo(Math.log(9) / 4 / slope, 6);
  });

  test('takes the model that is better once it is calibrated, though its PDs as they came were worse', () => {
    // log-losses of ±0.5 with four of ten wrong, and of ±12 with one; calibrated they are those of 0.4 and of 0.1
    const given = answer(evaluated({ best: [0.674, 4, 0.5], last: [1.2, 1, 12] }));
    const { metrics } = artefact(done({}, ...Array.from({ length: 40 }, () => given)));
    expect(metrics['trainingRound']).toBe(1);
    expect(metrics['logLoss']).toBeCloseTo(1.2, 5);
    expect(metrics['calibratedLogLoss']).toBeCloseTo(0.325, 2);
  });

  test('chosen by Brier score and not calibrated takes the lower one, whatever the log-loss', () => {
    const given = answer(evaluated({ best: [0.674, 4, 0.5], last: [1.2, 1, 12] }));
    const settings = { stop: { rounds: 1, chosenBy: 'brier' }, calibration: 'identity' } as const;
    expect(artefact(done(settings, ...Array.from({ length: 40 }, () => given))).metrics).toMatchObject({
      trainingRound: 1,
    });
  });

  test('leaves PDs as they are when the plan says so', () => {
    const banks = Array.from({ length: 40 }, () => answer(evaluated({ best: [0.6], last: [0.5, 1] })));
    expect(artefact(done({ calibration: 'identity' }, ...banks)).calibration.map).toEqual({
      method: 'identity',
    });
  });

  test('publishes no group of fewer rows than kMin', () => {
    const few = [answer(evaluated({ best: [0.6], last: [0.5, 1] }))]; // ten rows at each score and half
    expect(artefact(done({ kMin: 21 }, ...few)).calibration.table.map(({ rows }) => rows)).toEqual([40]);
    expect(artefact(done({ kMin: 41 }, ...few)).calibration.table).toEqual([]);
  });

  test('makes no model of a loss that bends PDs, unless it brings a calibration record', () => {
    const loss = { kind: 'focal', alpha: 0.75, gamma: 2 } as const;
    const few = answer(evaluated({ best: [0.6], last: [0.5, 1] }));
    expect(() => done({ kMin: 41, local: { loss } }, few)).toThrow(
      expect.objectContaining({ code: 'DATA_SOURCE' }),
    );
    const read = artefact(done({ kMin: 40, local: { loss } }, few));
    expect(read.kind === 'network' && read.parameters.link).toEqual(loss);
  });

  test('fits the ring for up to 1024 banks', () => {
    for (const banks of [1, 128, 129, 1024]) {
      const machine = atTraining({ stop: { rounds: 1 } }, banks);
      give(machine, answer({ ...judged(0.6), ...trained(64, [0, 0, 0]) }));
      expect(kindOf(machine)).toBe('evaluate');
      const { clip } = machine.asked!.question.fields.find(({ name }) => name === 'bestFirstBad')!;
      expect(clip).toBeGreaterThan(250_000);
    }
  });
});

describe('stopping', () => {
  /**
   * Plays rounds of training with these log-losses; the change of round r is 2^-(r+3) in each weight.
   * @returns questions answered
   */
  function play(machine: RunMachine, logLosses: readonly number[], swapped: readonly number[] = []): number {
    let questions = 0;
    for (; machine.asked !== undefined; questions++) {
      const change = Array<number>(3).fill(2 ** -(questions + 3));
      const figures = (round: number) => [logLosses[round] ?? 9, swapped[round] ?? 3] as const;
      if (kindOf(machine) === 'train') {
        give(machine, answer({ ...judged(...figures(questions)), ...trained(256, change) }));
        continue;
      }
      const { rounds } = machine.asked.question.settings as { rounds: Record<string, number> };
      const again = Object.entries(rounds).map(([name, round]) => [name, figures(round)]);
      give(machine, answer(evaluated(Object.fromEntries(again))));
    }
    return questions;
  }

  /** The weights after so many of the rounds above. */
  const weightsAfter = (rounds: number) =>
    [...initialWeights(LOGISTIC, 'seed')].map((w) => w + 0.25 * (1 - 2 ** -rounds));

  test('after all rounds keeps the model with the lowest log-loss, not the last one', () => {
    const machine = atTraining({ stop: { rounds: 4 } });
    expect(play(machine, [0.9, 0.7, 0.5, 0.6, 0.8])).toBe(5);
    expect(machine.finished!.reason).toBe('all 4 rounds done');
    expectClose(artefactOf(machine).weights, weightsAfter(2));
    expect(artefactOf(machine).metrics).toMatchObject({ trainingRound: 2 });
    expect(artefactOf(machine).metrics['logLoss']).toBeCloseTo(0.5, 4);
    expect(machine.metrics).toEqual(artefactOf(machine).metrics);
  });

  test.each([
    [[0.5, 0.6, 0.6], 0],
    [[0.9, 0.5, 0.6], 1],
    [[0.9, 0.8, 0.5], 2],
    [[0.5, 0.5, 0.5], 0], // the first of equals
  ])('of log-losses %j keeps the model of round %i', (losses, best) => {
    const machine = atTraining({ stop: { rounds: 2 } });
    play(machine, losses);
    expectClose(artefactOf(machine).weights, weightsAfter(best));
  });

  test('out of patience comes after so many rounds without a better model', () => {
    const machine = atTraining({ stop: { rounds: 50, patience: 2 } });
    // best in round 1, then again in round 3; rounds 4 and 5 are worse
    expect(play(machine, [0.9, 0.7, 0.8, 0.6, 0.65, 0.61, 0.1])).toBe(7);
    expect(machine.finished!.reason).toMatch(/did not improve for 2 rounds/);
    expectClose(artefactOf(machine).weights, weightsAfter(3));
  });

  test('does not come early while the model keeps improving', () => {
    const machine = atTraining({ stop: { rounds: 8, patience: 1 } });
    expect(play(machine, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])).toBe(9);
    expect(artefactOf(machine).metrics).toMatchObject({ trainingRound: 8 });
  });

  test('chosen by AUC keeps the model that ranks best, though its log-loss is the highest', () => {
    const machine = atTraining({ stop: { rounds: 50, patience: 2, chosenBy: 'auc' } });
    expect(play(machine, [0.1, 0.9, 0.2, 0.2, 0.2], [3, 1, 2, 2, 2])).toBe(5);
    expect(machine.finished!.reason).toBe('hold-out AUC did not improve for 2 rounds');
    expect(artefactOf(machine).metrics).toMatchObject({ trainingRound: 1 });
    expectClose(artefactOf(machine).weights, weightsAfter(1));
  });

  test('at the target takes the model that reached it, though an earlier one has the lower log-loss', () => {
    const machine = atTraining({ stop: { rounds: 50, target: { metric: 'auc', value: 0.9 } } });
    // of ten bads and goods 3, 3, 2 and at last none lie on the wrong side
    expect(play(machine, [0.5, 0.6, 0.7, 0.8, 0.1], [3, 3, 2, 0])).toBe(5);
    expect(machine.finished!.reason).toMatch(/reached the target of 0\.9/);
    expect(artefactOf(machine).metrics).toMatchObject({ trainingRound: 3, auc: 1 });
    expectClose(artefactOf(machine).weights, weightsAfter(3));
  });

  test('at the target needs the target itself, not more', () => {
    const auc = (9 * 9 + 9) / 100; // one of ten on the wrong side
    const reached = atTraining({ stop: { rounds: 2, target: { metric: 'auc', value: auc } } });
    expect(play(reached, [0.5, 0.5, 0.5], [1, 1, 1])).toBe(2);
    const missed = atTraining({ stop: { rounds: 2, target: { metric: 'auc', value: auc + 0.001 } } });
    expect(play(missed, [0.5, 0.5, 0.5], [1, 1, 1])).toBe(3);
  });

  test('at the target waits where hold-out rows show one class only', () => {
    const machine = atTraining({ stop: { rounds: 1, target: { metric: 'auc', value: 0.5 } } });
    const oneClass = { ...judged(0.5), holdoutBad: Array<number>(BINS).fill(0) };
    give(machine, answer({ ...oneClass, ...trained(64, [0, 0, 0]) }));
    expect(kindOf(machine)).toBe('evaluate');
    expect(machine.metrics).not.toHaveProperty('auc');
  });
});

describe('many rounds', () => {
  test.each([0, 0.8])(
    'with momentum %d give the models of an independent replay, whichever is best',
    (momentum) => {
      const rounds = 12;
      for (let repeat = 0; repeat < 12; repeat++) {
        const generator = new SeededGenerator('replay', momentum * 10, repeat);
        const machine = atTraining({ stop: { rounds }, server: { momentum } }, 3);
        let weights = weightsOf(machine);
        let velocity = [0, 0, 0];
        let best = { loss: Infinity, weights };
        for (let round = 0; round <= rounds; round++) {
          expectClose(weightsOf(machine), weights, 1e-5);
          const losses = Array.from({ length: 3 }, () => generator.nextUnit());
          const loss = losses[0]! + losses[1]! + losses[2]!;
          const earlier = best.loss;
          if (loss < best.loss) best = { loss, weights };
          if (round === rounds) {
            // figures of the best so far, as they were; those of the last are new
            give(machine, ...losses.map((l) => answer(evaluated({ best: [earlier / 3], last: [l] }))));
            break;
          }
          const banks = losses.map(() => ({
            rows: 1 + Math.floor(1000 * generator.nextUnit()),
            change: weights.map(() => 2 * generator.nextUnit() - 1),
          }));
          give(
            machine,
            ...banks.map(({ rows, change }, b) =>
              answer({ ...judged(losses[b]!), ...trained(rows, change) }),
            ),
          );
          const total = banks.reduce((sum, { rows }) => sum + rows, 0);
          const mean = weights.map(
            (_, i) => banks.reduce((sum, b) => sum + b.rows * b.change[i]!, 0) / total,
          );
          velocity = velocity.map((v, i) => momentum * v + mean[i]!);
          weights = weights.map((w, i) => w + velocity[i]!);
        }
        expectClose(artefactOf(machine).weights, best.weights, 1e-5);
      }
    },
  );
});

describe('settings', () => {
  test('that are not valid are refused before the first question', () => {
    for (const settings of [{ clip: 0 }, { stop: { rounds: 0 } }, { local: { epochs: 0 } }]) {
      expect(() => machineOf(settings)).toThrow(expect.objectContaining({ code: 'PLAN' }));
    }
  });

  test('reach the banks: the fields of train are bounded by clip and rowsCap', () => {
    const { fields } = atTraining({ clip: 0.25, rowsCap: 77 }).asked!.question;
    const byName = Object.fromEntries(fields.map((field) => [field.name, field]));
    expect(byName['exampleCount']).toMatchObject({ length: 1, scale: 1, clip: 77 });
    expect(byName['delta']).toMatchObject({ length: 3, clip: 0.25, rounding: 'stochastic' });
    for (const name of ['holdoutBad', 'holdoutGood']) {
      expect(byName[name]).toMatchObject({ length: BINS, scale: 1, clip: 2 ** 20, rounding: 'nearest' });
    }
    // one bank may have all rows held out, of 1000 they are 200 ± √(1000 · ln 2e9) at most
    for (const name of ['brier', 'pd']) expect(byName[name]).toMatchObject({ length: 1, clip: 347 });
    expect(byName['logLoss']).toMatchObject({ length: 1, clip: 2776 });
    expect(fields.map(({ name }) => name)).toEqual([
      'exampleCount',
      'delta',
      'holdoutBad',
      'holdoutGood',
      'logLoss',
      'brier',
      'pd',
    ]);
  });

  test('may give the network as layers, for as many inputs as the contract makes', () => {
    const layers = (inputs: number) => [
      {
        class_name: 'Dense',
        config: { units: 3, activation: 'sigmoid', batch_input_shape: [null, inputs] },
      },
      { class_name: 'Dense', config: { units: 1, activation: 'sigmoid' } },
    ];
    const machine = atTraining({ network: { layers: layers(2) }, stop: { rounds: 1 } });
    expect(machine.asked!.question.settings).toMatchObject({
      shape: { inputs: 2, hidden: [3], dropout: 0, activations: ['sigmoid'] },
    });
    const none = Array<number>(13).fill(0);
    give(machine, answer({ ...judged(0.6), ...trained(64, none) }));
    give(machine, answer(evaluated({ best: [0.6], last: [0.5, 1] })));
    const read = parseArtefact(JSON.parse(new TextDecoder().decode(machine.finished!.artefact)));
    expect(read.kind === 'network' && read.parameters.network.activations).toEqual(['sigmoid']);
    expect(() => machineOf({ network: { layers: layers(3) } })).toThrow(
      expect.objectContaining({ code: 'PLAN' }),
    );
  });

  test('that are extreme still fit the ring, for up to 1024 banks', () => {
    for (const clip of [1e-6, 1, 1000]) {
      for (const banks of [1, 2, 1024]) {
        expect(() => atTraining({ clip, rowsCap: 2 ** 20 }, banks), `${clip}, ${banks}`).not.toThrow(
          FederationError,
        );
      }
    }
  });
});
