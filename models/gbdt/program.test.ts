/** The program together with its answerers, over banks that are tables in this process. */
import { beforeAll, describe, expect, test } from 'vitest';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { createGbdtAnswerer } from '#models/gbdt/answer.ts';
import type { GrowQuestion } from '#models/gbdt/grow-question.ts';
import { gbdt } from '#models/gbdt/program.ts';
import type { GbdtSettingsInput } from '#models/gbdt/settings.ts';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import type { Metrics, Question } from '#models/program.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { RunMachine, type FinishedModel } from '#models/run-machine.ts';
import { scorerOf } from '#models/scorer.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { plan } from '#shared/protocol/plan.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'small firms',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'turnover', type: 'number', min: 0, max: 1000, special: [-1] },
    { name: 'sector', type: 'category', categories: ['mining', 'retail', 'farming', 'services'] },
    { name: 'arrears', type: 'number', min: 0, max: 12, monotone: 'increasing' },
    { name: 'age', type: 'number', min: 0, max: 80, missing: 'refused' },
  ],
});

/** PD depends on turnover by sector, on arrears, and on whether turnover was never declared (−1). */
function madeUpRows(count: number, seed: string): Table {
  const generator = new SeededGenerator('gbdt-rows', seed);
  const unit = () => generator.nextUnit();
  const turnover = Float64Array.from({ length: count }, () => {
    const draw = unit();
    return draw < 0.05 ? Number.NaN : draw < 0.12 ? -1 : Math.round(1000 * unit() * unit());
  });
  const codes = Uint16Array.from({ length: count }, () => Math.floor(6 * unit() ** 1.5));
  const arrears = Float64Array.from({ length: count }, () =>
    unit() < 0.6 ? 0 : Math.min(12, Math.floor(12 * unit() * unit())),
  );
  const age = Float64Array.from({ length: count }, () => 80 * unit());
  const bad = Uint8Array.from({ length: count }, (_, i) => {
    const logit = trueLogit(turnover[i]!, codes[i]!, arrears[i]!);
    return unit() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  });
  const [a, b, c, d] = contract.features as [never, never, never, never];
  const columns = [
    { feature: a, values: turnover },
    { feature: b, codes },
    { feature: c, values: arrears },
    { feature: d, values: age },
  ];
  return { rowCount: count, columns, bad };
}

function trueLogit(turnover: number, sector: number, arrears: number): number {
  const small = turnover >= 0 && turnover < 200 ? 1 : 0;
  const undeclared = turnover === -1 ? 1.5 : 0;
  return -2 + (sector === 2 ? 2 * small - 0.5 : 0.3 * small) + 0.35 * arrears + undeclared;
}

/** Rows dealt to banks at random, in random order; bank sizes differ. */
function dealt(table: Table, banks: number, seed: string): Table[] {
  const order = new SeededGenerator('deal', seed).shuffle(range(table.rowCount));
  const cuts = Array.from({ length: banks + 1 }, (_, i) => Math.round(table.rowCount * (i / banks) ** 1.5));
  return range(banks).reduce<Table[]>(
    (parts, i) => [...parts, selectRows(table, order.slice(cuts[i], cuts[i + 1]))],
    [],
  );
}

const SETTINGS = {
  trees: 6,
  depth: 3,
  bins: 16,
  minCount: 20,
  minCategoryCount: 20,
  learningRate: 0.3,
} satisfies GbdtSettingsInput;

function planFor(banks: number, settings: GbdtSettingsInput) {
  return plan.parse({
    v: 1,
    name: 'autumn',
    contract: contractHash(contract),
    program: { name: 'gbdt', settings },
    participants: Array.from({ length: banks }, (_, i) => `bank-${String(i).padStart(2, '0')}`),
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed: 'seed of the plan',
  });
}

interface Run {
  readonly model: FinishedModel;
  readonly questions: readonly Question[];
  readonly metrics: readonly Metrics[];
}

/** @param restart whether answerers forget everything before question `round` */
async function trainOver(
  tables: readonly Table[],
  settings: GbdtSettingsInput = SETTINGS,
  restart: (round: number) => boolean = () => false,
): Promise<Run> {
  const of = planFor(tables.length, settings);
  const machine = new RunMachine(of, contract, tables.length);
  const setup = { contract, settings: of.program.settings, participants: tables.length, seed: of.seed };
  let answerers = await Promise.all(tables.map((table) => createGbdtAnswerer(setup, table)));
  const questions: Question[] = [];
  const metrics: Metrics[] = [];
  while (machine.asked !== undefined) {
    const { question, length } = machine.asked;
    if (restart(questions.length)) {
      answerers = await Promise.all(tables.map((table) => createGbdtAnswerer(setup, table)));
    }
    questions.push(question);
    const sum = createWords(question.ring, length);
    for (const answerer of answerers) {
      const answer = await answerer.answer(question, () => {});
      addInto(sum, encodeFields(answer, question.fields, question.ring, 'rounding'));
    }
    machine.next(sum, tables.length, vectorRoot(sum));
    metrics.push(machine.metrics);
  }
  return { model: machine.finished!, questions, metrics };
}

function artefactOf({ model }: Run): Extract<ModelArtefact, { kind: 'gbdt' }> {
  const artefact = parseArtefact(JSON.parse(new TextDecoder().decode(model.artefact)));
  if (artefact.kind !== 'gbdt') throw new TypeError(`expected trees, got a ${artefact.kind}`);
  return artefact;
}

function aucOf(run: Run, test: Table): number {
  const scorer = scorerOf(artefactOf(run));
  const logits = Float64Array.from(range(test.rowCount), (i) =>
    scorer.logit(Float64Array.from(test.columns, (c) => (isNumberColumn(c) ? c.values[i]! : c.codes[i]!))),
  );
  return exactMetrics(logits, test.bad).auc;
}

const pooled = madeUpRows(3000, 'pooled');
let run: Run;
beforeAll(async () => {
  run = await trainOver([pooled]);
});

describe('the same rows give the same bytes', () => {
  test.each([1, 2, 5, 20])('over %i banks, in any order', async (banks) => {
    const spread = await trainOver(dealt(pooled, banks, `deal ${banks}`));
    expect(spread.model.root).toBe(run.model.root);
  });

  test('with a bank that has no rows, and one that has a single row', async () => {
    const order = range(pooled.rowCount);
    const banks = [[], [0], [...order.slice(1)]].map((rows) => selectRows(pooled, Uint32Array.from(rows)));
    expect((await trainOver(banks)).model.root).toBe(run.model.root);
  });

  test('when trees draw rows and columns', async () => {
    const drawing = { ...SETTINGS, rowShare: 0.6, columnShare: 0.5, trees: 4 };
    const once = await trainOver([pooled], drawing);
    const spread = await trainOver(dealt(pooled, 3, 'drawn'), drawing);
    expect(spread.model.root).toBe(once.model.root);
    expect(once.model.root).not.toBe(run.model.root);
    const drawn = once.questions
      .filter(({ kind }) => kind === 'grow')
      .map(({ settings }) => (settings as unknown as GrowQuestion).features.join());
    expect(new Set(drawn).size).toBeGreaterThan(1);
    const { trees } = artefactOf(once).parameters;
    const rows = splitByKey(pooled, 0.2, 'seed of the plan').training.table.rowCount;
    for (const tree of trees) {
      expect(tree.cover[0]! / rows).toBeGreaterThan(0.5);
      expect(tree.cover[0]! / rows).toBeLessThan(0.7);
    }
    expect(new Set(trees.map((tree) => tree.cover[0])).size).toBe(trees.length);
  });

  test('when agents restart in the middle of trees', async () => {
    const restarted = await trainOver(dealt(pooled, 3, 'restarts'), SETTINGS, (round) => round % 2 === 1);
    expect(restarted.model.root).toBe(run.model.root);
  });

  test('when an agent that is ahead is asked an earlier question again', async () => {
    const setup = { contract, settings: SETTINGS, participants: 1, seed: 'seed of the plan' };
    const old = await createGbdtAnswerer(setup, pooled);
    const grow = run.questions.filter(({ kind }) => kind === 'grow');
    const inOrder = [];
    for (const question of grow) inOrder.push(await old.answer(question, () => {}));
    for (const i of [7, 2, 3, 16, 0]) {
      expect(await old.answer(grow[i]!, () => {}), `question ${i}`).toEqual(inOrder[i]);
    }
  });
});

describe('the model', () => {
  test('ranks new applicants nearly as well as the truth they were made from', () => {
    const rows = madeUpRows(4000, 'new');
    const [turnover, sector, arrears] = rows.columns.map((c) => (isNumberColumn(c) ? c.values : c.codes));
    const truth = Float64Array.from(range(4000), (i) => trueLogit(turnover![i]!, sector![i]!, arrears![i]!));
    const best = exactMetrics(truth, rows.bad).auc;
    expect(best).toBeGreaterThan(0.7);
    expect(aucOf(run, rows)).toBeGreaterThan(best - 0.02);
  });

  test('starts from the log-odds of the training rows', () => {
    const { bad, rowCount } = splitByKey(pooled, 0.2, 'seed of the plan').training.table;
    const bads = bad.reduce((a, b) => a + b, 0);
    const { parameters, metrics } = artefactOf(run);
    expect(parameters.baseLogit).toBeCloseTo(Math.log(bads / (rowCount - bads)), 12);
    expect(metrics['trainingRows']).toBe(rowCount);
  });

  test('its hold-out figures are those of its scores on the hold-out rows', () => {
    const { holdout } = splitByKey(pooled, 0.2, 'seed of the plan');
    const { metrics } = artefactOf(run);
    expect(metrics['holdoutRows']).toBe(holdout.table.rowCount);
    expect(Math.abs(metrics['auc']! - aucOf(run, holdout.table))).toBeLessThanOrEqual(metrics['aucError']!);
  });

  test('has no leaf with fewer rows than the plan demands', () => {
    for (const tree of artefactOf(run).parameters.trees) {
      expect(tree.feature.length).toBeGreaterThan(3);
      expect(Math.min(...tree.cover)).toBeGreaterThanOrEqual(20);
    }
  });

  test('its PD never falls with a feature that may only raise it', () => {
    const scorer = scorerOf(artefactOf(run));
    const generator = new SeededGenerator('monotone');
    for (let i = 0; i < 100; i++) {
      const unit = () => generator.nextUnit();
      const row = [1000 * unit(), Math.floor(6 * unit()), 0, 80 * unit()];
      let last = -Infinity;
      for (let arrears = 0; arrears <= 12; arrears++) {
        const logit = scorer.logit(Float64Array.from(row, (x, j) => (j === 2 ? arrears : x)));
        expect(logit).toBeGreaterThanOrEqual(last);
        last = logit;
      }
    }
  });

  test('has as many bins as the plan says at most, and tells rare values of a number with few apart', () => {
    const [turnover, , arrears, age] = artefactOf(run).transform.features as { edges: number[] }[];
    expect(turnover!.edges.length).toBe(15);
    expect(age!.edges.length).toBe(15);
    // six in ten have no arrears: of 15 quantiles nine would be 0; four times as many are looked for
    const column = splitByKey(pooled, 0.2, 'seed of the plan').training.table.columns[2]!;
    const sorted = (isNumberColumn(column) ? column.values : new Float64Array()).slice().sort();
    const quantiles = range(63).reduce(
      (set, i) => set.add(sorted[Math.ceil(((i + 1) / 64) * sorted.length) - 1]!),
      new Set<number>(),
    );
    expect(arrears!.edges).toEqual([...quantiles]);
    expect(quantiles.size).toBeGreaterThan(7);
  });

  test('its baseline is the median applicant with the most frequent category', () => {
    const { baseline } = artefactOf(run);
    const { columns } = splitByKey(pooled, 0.2, 'seed of the plan').training.table;
    const [turnover, , arrears, age] = columns.map((column) => {
      if (!isNumberColumn(column)) return 0;
      const values = [...column.values].filter((x) => x >= 0).sort((a, b) => a - b);
      return values[Math.ceil(values.length / 2) - 1]!;
    });
    expect(baseline.row[1]).toBe('mining');
    expect(Math.abs((baseline.row[0] as number) - turnover!)).toBeLessThan(2);
    expect(baseline.row[2]).toBe(arrears);
    expect(Math.abs((baseline.row[3] as number) - age!)).toBeLessThan(0.2);
  });
});

describe('rounds', () => {
  test('are one for totals, up to four for quantiles, one for each level, one to end', () => {
    const kinds = run.questions.map(({ kind }) => kind);
    expect(kinds[0]).toBe('totals');
    expect(kinds.filter((kind) => kind === 'quantiles').length).toBeGreaterThan(1);
    expect(kinds.filter((kind) => kind === 'grow').length).toBe(6 * 3);
    expect(kinds.at(-1)).toBe('evaluate');
    expect(kinds.length).toBeLessThanOrEqual(gbdt.maximumRounds(SETTINGS));
    expect(gbdt.maximumRounds(SETTINGS)).toBe(1 + 4 + 18 + 1);
  });

  test('a level asks for at most one node for each split above it', () => {
    const grow = run.questions.filter(({ kind }) => kind === 'grow');
    grow.forEach(({ settings, fields }, i) => {
      const { nodes, tree } = settings as unknown as GrowQuestion;
      expect(tree).toBe(Math.floor(i / 3));
      expect(nodes.length).toBeLessThanOrEqual([1, 1, 2][i % 3]!);
      const cells = fields.find(({ name }) => name === 'counts')!.length / nodes.length;
      expect(fields.find(({ name }) => name === 'gradients')!.length).toBe(nodes.length * cells);
    });
  });

  test('without early stopping every tree is kept, and judged at times on the way', () => {
    expect(artefactOf(run).parameters.trees.length).toBe(6);
    expect(run.model.reason).toBe('all 6 trees grown');
    expect(run.metrics.filter((m) => 'auc' in m).map((m) => m['trees'])).toEqual([0, 6]);
  });

  test('with patience it stops when the hold-out gets no better, and keeps the best trees', async () => {
    const settings = { ...SETTINGS, trees: 200, learningRate: 1, minGain: 0, patience: 5 };
    const stopped = await trainOver([pooled], settings);
    const judged = stopped.metrics.filter((m) => 'logLoss' in m && 'level' in m);
    const best = judged.reduce((a, b) => (b['logLoss']! < a['logLoss']! ? b : a));
    const { parameters, metrics } = artefactOf(stopped);
    expect(stopped.model.reason).toBe('hold-out log-loss did not improve for 5 trees');
    expect(parameters.trees.length).toBe(best['trees']);
    expect(metrics['logLoss']).toBe(best['logLoss']);
    expect(judged.length).toBe(best['trees']! + 5);
    // the trees kept are those of a run that was only to grow as many
    const shorter = await trainOver([pooled], { ...SETTINGS, learningRate: 1, trees: best['trees']! });
    expect(artefactOf(shorter).parameters).toEqual(parameters);
  });

  test('chosen by AUC it keeps the trees that rank best, and at the target those that reached it', async () => {
    const settings = { ...SETTINGS, trees: 60, learningRate: 1, minGain: 0 };
    const chosen = await trainOver([pooled], { ...settings, patience: 5, chosenBy: 'auc' });
    const judged = chosen.metrics.filter((m) => 'auc' in m && 'level' in m);
    const best = judged.reduce((a, b) => (b['auc']! > a['auc']! ? b : a));
    expect(chosen.model.reason).toBe('hold-out AUC did not improve for 5 trees');
    expect(artefactOf(chosen).parameters.trees.length).toBe(best['trees']);
    const value = judged[2]!['auc']!;
    const first = judged.find((m) => m['auc']! >= value)!['trees'];
    const reached = await trainOver([pooled], { ...settings, target: { metric: 'auc', value } });
    expect(reached.model.reason).toBe(`hold-out AUC reached the target of ${value}`);
    expect(artefactOf(reached).parameters.trees.length).toBe(first);
  });

  test('with patience but too few hold-out rows to tell, every tree is kept', async () => {
    const few = selectRows(pooled, range(350));
    const settings = { ...SETTINGS, trees: 8, patience: 2, holdoutFraction: 0.05 };
    const blind = await trainOver([few], settings);
    expect(artefactOf(blind).metrics['logLoss']).toBeUndefined();
    expect(artefactOf(blind).parameters.trees.length).toBe(8);
  });

  test('it ends when no split gains anything', async () => {
    const ended = await trainOver([pooled], { ...SETTINGS, minGain: 5, trees: 200 });
    const { trees } = artefactOf(ended).parameters;
    expect(ended.model.reason).toBe(`no split gains anything after ${trees.length} trees`);
    expect(trees.length).toBeGreaterThan(0);
    expect(trees.length).toBeLessThan(200);
    expect(artefactOf(ended).metrics['holdoutRows']).toBeGreaterThan(100);
  });
});

describe('refusals', () => {
  test('rows of one outcome only cannot train', async () => {
    const good = selectRows(
      pooled,
      range(pooled.rowCount).filter((i) => pooled.bad[i] === 0),
    );
    await expect(trainOver([good])).rejects.toThrow(expect.objectContaining({ code: 'DATA_SOURCE' }));
  });

  test('more banks than the sums have room for are refused before it begins', () => {
    const begin = (participants: number) => gbdt.begin({ contract, settings: {}, participants, seed: 's' });
    expect(begin(128).kind).toBe('ask');
    expect(() => begin(500)).toThrow(expect.objectContaining({ code: 'OVERFLOW' }));
  });

  test('a plan whose last level would not fit in a question is refused before it begins', () => {
    const features = Array.from({ length: 2000 }, (_, i) => ({
      name: `f${i}`,
      type: 'number' as const,
      min: 0,
      max: 1,
    }));
    const wide = dataContract.parse({ ...contract, features });
    const setup = { contract: wide, participants: 3, seed: 's' };
    const begin = (settings: GbdtSettingsInput) => gbdt.begin({ ...setup, settings: settings as Json });
    expect(() => begin({ depth: 8, bins: 255 })).toThrow(expect.objectContaining({ code: 'PLAN' }));
    expect(begin({ depth: 6, bins: 64 }).kind).toBe('ask');
  });
});
