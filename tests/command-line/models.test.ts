/** `tallystick model …` on models of every kind, as a user runs it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ModelArtefact } from '#models/artefact.ts';
import { exampleForest, exampleNetwork, exampleScorecard } from '#models/export/example-models.ts';
import { rowOf } from '#models/scoring/row.ts';
import { createApplicantScorer } from '#models/scoring/score-applicant.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { command, onlyJson } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';

const MODELS: Record<string, ModelArtefact> = {
  scorecard: exampleScorecard(),
  forest: exampleForest(),
  network: exampleNetwork(),
};
const APPLICANT = { turnover: 900, sector: 'food & drink', months: 14, arrears: 12, owner: 'one' };

let folder: string;
const pathOf = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await temporaryFolder('models');
  for (const [name, model] of Object.entries(MODELS))
    await writeFile(pathOf(`${name}.json`), canonicalJson(model));
});

describe.each(Object.entries(MODELS))('model show and explain: a %s', (name, model) => {
  test('is shown with its root, its figures and what its PDs mean', async () => {
    const shown = await command(['model', 'show', pathOf(`${name}.json`)]);
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    const root = vectorRoot(Buffer.from(canonicalJson(model)));
    for (const text of [root, 'small businesses', 'AUC', 'approve below PD 0.1', 'food']) {
      if (text === 'food' && name !== 'scorecard') continue;
      expect(shown.stdout).toContain(text);
    }
    const json = onlyJson(await command(['model', 'show', pathOf(`${name}.json`), '--json']));
    expect(json).toMatchObject({ model: root, kind: model.kind, metrics: model.metrics });
  });

  test('explains an applicant by points that add up to the score', async () => {
    const file = pathOf(`${name}.json`);
    const args = ['model', 'explain', file, '--row', JSON.stringify(APPLICANT)];
    const json = onlyJson(await command([...args, '--json'])) as {
      pd: number;
      score: number;
      scoreClipped: boolean;
      baselineScore: number;
      gap: number;
      features: { name: string; points: number }[];
      reasons: { name: string }[];
    };
    const scorer = createApplicantScorer(model);
    const expected = scorer.score(rowOf(model.contract, APPLICANT));
    expect(json.pd).toBe(expected.pd);
    expect(Math.abs(json.gap)).toBeLessThan(1e-6);
    expect(json.scoreClipped).toBe(false);
    const points = json.features.reduce((sum, feature) => sum + feature.points, 0);
    expect(json.baselineScore + points).toBeCloseTo(json.score, 5);
    const lost = json.features.filter((f) => f.points < -0.005).map((f) => f.name);
    expect(json.reasons.map((r) => r.name)).toEqual(lost.slice(0, 4));
    const text = await command(args);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain(`score ${expected.score.toFixed(1)}`);
  });
});

describe('model explain', () => {
  test('finds the applicant by the line of a file', async () => {
    const data = pathOf('two.csv');
    await writeFile(
      data,
      'owner,turnover,sector,months,arrears\n"one\nor two",1,IT,20,\none,900,food & drink,14,12\n',
    );
    const line = (n: string) =>
      command(['model', 'explain', pathOf('scorecard.json'), '--data', data, '--line', n, '--json']);
    const byRow = await command([
      'model',
      'explain',
      pathOf('scorecard.json'),
      '--row',
      JSON.stringify(APPLICANT),
      '--json',
    ]);
    expect(onlyJson(await line('4'))).toEqual(onlyJson(byRow));
    expect(await line('3')).toMatchObject({ code: 2 }); // the middle of a record
    expect(await line('99')).toMatchObject({ code: 2 });
  });

  test.each([
    [['--row', '{"turnover": "900"}'], /CONTRACT: column "turnover" expected a number, got a text/],
    [['--row', '{}'], /column "turnover" is not there/],
    [['--row', 'turnover=900'], /--row is not JSON/],
    [['--row', '[1]'], /object/],
    [[], /--row JSON, or --data FILE with --line N/],
    [['--data', 'x.csv'], /--line/],
  ])('refuses %j with a sentence', async (args, message) => {
    const { code, stderr } = await command(['model', 'explain', pathOf('scorecard.json'), ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test('counts the points of trees from the mean of their training rows, and refuses where nobody knows it', async () => {
    const explain = (model: string) =>
      command([
        ...['model', 'explain', pathOf(model), '--row', JSON.stringify(APPLICANT)],
        ...['--against', 'training', '--json'],
      ]);
    const json = onlyJson(await explain('forest.json')) as {
      score: number;
      baselineScore: number;
      features: { points: number }[];
      gap: number;
    };
    const points = json.features.reduce((sum, f) => sum + f.points, 0);
    expect(Math.abs(json.baselineScore + points - json.score)).toBeLessThan(1e-6);
    expect(Math.abs(json.gap)).toBeLessThan(1e-6);
    const refused = await explain('scorecard.json');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/only trees/)]);
  });

  test('gives reasons in Chinese where the contract has them', async () => {
    const model = structuredClone(MODELS['scorecard']!);
    const feature = model.contract.features[3]!;
    Object.assign(feature, { reason: { en: 'In arrears', 'zh-CN': '逾期' } });
    await writeFile(pathOf('chinese.json'), canonicalJson(model));
    const row = JSON.stringify({ ...APPLICANT, arrears: 5 });
    const of = async (language: string) => {
      const args = [
        'model',
        'explain',
        pathOf('chinese.json'),
        '--row',
        row,
        '--language',
        language,
        '--json',
      ];
      return (onlyJson(await command(args)) as { reasons: { text: string }[] }).reasons.map((r) => r.text);
    };
    const [english, chinese] = [await of('en'), await of('zh-CN')];
    expect(chinese).toEqual(english.map((text) => (text === 'In arrears' ? '逾期' : text)));
  });
});

describe('a file that is no model', () => {
  test.each([
    ['is not there', undefined, 'USAGE'],
    ['is not JSON', 'model', 'CANON'],
    ['has been changed by hand', `${canonicalJson(MODELS['scorecard'])}\n`, 'CANON'],
    ['is another kind of JSON', '{"v":1}', 'SCHEMA'],
  ])('is refused: it %s', async (what, content, code) => {
    const path = pathOf(`no-model-${what.replaceAll(' ', '-')}.json`);
    if (content !== undefined) await writeFile(path, content);
    const shown = await command(['model', 'show', path]);
    expect([shown.code, shown.stdout]).toEqual([2, '']);
    expect(shown.stderr).toContain(`${code}:`);
  });
});

describe('model export', () => {
  test.each([
    ['onnx', 'forest', 'forest.onnx', ['forest.onnx']],
    ['pmml', 'scorecard', 'card.pmml', ['card.pmml']],
    ['tfjs', 'network', 'tfjs', ['tfjs/model.json', 'tfjs/weights.bin']],
  ])('writes %s, and never over a file that is there', async (to, name, out, files) => {
    const args = ['model', 'export', pathOf(`${name}.json`), '--to', to, '--out', pathOf(out)];
    expect(await command(args)).toMatchObject({ code: 0, stderr: '' });
    for (const file of files) expect((await readFile(pathOf(file))).length).toBeGreaterThan(200);
    const again = await command(args);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('exists already')]);
  });

  test('says which formats a model has', async () => {
    const out = pathOf('none.pmml');
    const { code, stderr } = await command([
      'model',
      'export',
      pathOf('forest.json'),
      '--to',
      'pmml',
      '--out',
      out,
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--to onnx')]);
  });
});

describe('model score', () => {
  const HEADER = 'id,turnover,sector,months,arrears,owner';
  const score = (data: string, out: string, ...more: string[]) =>
    command([
      'model',
      'score',
      pathOf('scorecard.json'),
      '--data',
      pathOf(data),
      '--out',
      pathOf(out),
      ...more,
    ]);

  test('refuses a file in another coding, and scores it only when told to; a total line is no applicant', async () => {
    const rows = (sector: string) =>
      Array.from({ length: 40 }, (_, i) => `${i},${900 + i},${sector},${14 + i},12,one`);
    await writeFile(pathOf('coded.csv'), [HEADER, ...rows('F')].join('\n'));
    const refused = await score('coded.csv', 'coded-out.csv');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/error: sector: 40 of 40 cells \(100.0 %\) are of no category/);
    expect(refused.stdout).toContain('nothing is scored');
    await expect(readFile(pathOf('coded-out.csv'))).rejects.toThrow('ENOENT');
    const told = await score('coded.csv', 'coded-out.csv', '--despite-check');
    expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('40 scored')]);

    await writeFile(pathOf('total.csv'), [HEADER, ...rows('IT'), 'Total,,,,,'].join('\n'));
    const summed = await score('total.csv', 'total-out.csv');
    expect([summed.code, summed.stdout]).toEqual([1, expect.stringContaining('40 scored')]);
    expect(summed.stderr).toContain('line 42: a total or closing line, not an applicant');
  });

  test('writes PD, score, decision and reasons, and keeps out what it cannot read', async () => {
    const lines = [
      HEADER,
      'a,900,food & drink,14,12,one',
      'b,much,IT,20,,several', // no number
      'c,,trade,60,-1,one',
      'd,5,IT,,1,one', // months must not be missing
      'e,5,IT',
      '',
      'f,1e9,elsewhere,7,-2,nobody',
    ];
    await writeFile(pathOf('mixed.csv'), lines.join('\n'));
    const done = await score('mixed.csv', 'mixed-out.csv', '--id', 'id');
    expect(done.code).toBe(1);
    expect(done.stdout).toContain('3 scored');
    expect(done.stdout).toContain('3 kept out');
    expect(done.stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/warning: turnover: 1 of 2 cells .* lie outside/),
      expect.stringMatching(/warning: sector: 1 of 3 cells .* no category/),
      expect.stringMatching(/warning: owner: 1 of 3 cells .* no category/),
      expect.stringMatching(/line 3, column "turnover": expected a number/),
      expect.stringMatching(/line 5, column "months": must not be missing/),
      expect.stringMatching(/line 6: expected 6 cells as in the header, found 3/),
    ]);
    expect(done.stderr).not.toContain('much');

    const output = (await readFile(pathOf('mixed-out.csv'), 'utf8')).trimEnd().split('\n');
    expect(output[0]).toBe('line,id,pd,score,decision,reason1,reason2,reason3,reason4');
    const model = MODELS['scorecard']!;
    const scorer = createApplicantScorer(model);
    const records = [
      [2, 'a', APPLICANT],
      [4, 'c', { turnover: null, sector: 'trade', months: 60, arrears: -1, owner: 'one' }],
      [8, 'f', { turnover: 1e9, sector: 'elsewhere', months: 7, arrears: -2, owner: 'nobody' }],
    ] as const;
    const expected = records.map(([line, id, record]) => {
      const row = rowOf(model.contract, record);
      const { pd, score: points, decision } = scorer.score(row);
      const reasons = scorer.reasons(row).map((reason) => reason.text);
      return [
        line,
        id,
        pd.toPrecision(6),
        Math.round(points),
        decision,
        ...[0, 1, 2, 3].map((i) => reasons[i] ?? ''),
      ].join(',');
    });
    expect(output.slice(1)).toEqual(expected);
  });

  test('counts in one JSON object for machines, and exits with 0 when nobody was kept out', async () => {
    await writeFile(pathOf('good.csv'), `${HEADER}\nx,1,IT,20,,one\ny,1,IT,30,,one\n`);
    const done = await score('good.csv', 'good-out.csv', '--json');
    expect(done.code).toBe(0);
    const json = onlyJson(done) as { decisions: Record<string, number> };
    expect(json).toMatchObject({ scored: 2, rejected: 0, problems: [] });
    expect(Object.values(json.decisions).reduce((a, b) => a + b, 0)).toBe(2);
  });

  test('never writes a cell that a spreadsheet would run', async () => {
    const ids = ['=1+1', '+cmd', '-2', '@SUM(A1)', ' =x', '\t=x', 'plain', 'a,b', 'say "no"', '\n=z'];
    const rows = ids.map((id) => `"${id.replaceAll('"', '""')}",1,IT,20,,one`);
    await writeFile(pathOf('formulas.csv'), `${HEADER}\n${rows.join('\n')}\n`);
    expect((await score('formulas.csv', 'formulas-out.csv', '--id', 'id')).code).toBe(0);
    const output = await readFile(pathOf('formulas-out.csv'), 'utf8');
    const cells = [...output.matchAll(/^\d+,("(?:[^"]|"")*"|[^,]*),0\./gm)].map(([, cell]) =>
      cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!,
    );
    expect(cells).toHaveLength(ids.length);
    cells.forEach((cell, i) => expect(cell).toBe(/^[\s]*[=+\-@]/.test(ids[i]!) ? `'${ids[i]}` : ids[i]));
  });

  test('leaves nothing behind when the file cannot be read on, and does not write over anything', async () => {
    await writeFile(pathOf('broken.csv'), `${HEADER}\nx,1,IT,20,,one\n"y,1,IT,30,,one\n`);
    expect((await score('broken.csv', 'broken-out.csv')).code).toBe(2);
    await expect(readFile(pathOf('broken-out.csv'))).rejects.toThrow('ENOENT');
    await expect(readFile(pathOf('broken-out.csv.part'))).rejects.toThrow('ENOENT');
    await writeFile(pathOf('taken.csv'), 'mine');
    expect((await score('good.csv', 'taken.csv')).code).toBe(2);
    expect(await readFile(pathOf('taken.csv'), 'utf8')).toBe('mine');
  });

  test('names a column that the file lacks', async () => {
    await writeFile(pathOf('lacks.csv'), 'id,turnover,Sector,months,arrears,owner\n');
    const done = await score('lacks.csv', 'lacks-out.csv');
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining('"sector" (nearest: "Sector")')]);
  });
});

describe('model validate', () => {
  test('holds a model against outcomes, and refuses a file that does not fit its contract', async () => {
    const sectors = ['trade', 'food & drink', 'transport', 'IT'];
    const rows = Array.from({ length: 400 }, (_, i) => {
      const bad = (i * 7) % 40 < 4 + 4 * (i % 4) ? 1 : 0;
      return `${(i % 50) * 700},${sectors[i % 4]},${12 + (i % 90)},${i % 31},one,${bad}`;
    });
    const header = 'turnover,sector,months,arrears,owner,default';
    await writeFile(pathOf('outcomes.csv'), `${header}\n${rows.join('\n')}\n`);
    const validate = (data: string, ...more: string[]) =>
      command(['model', 'validate', pathOf('scorecard.json'), '--data', pathOf(data), ...more]);
    const json = onlyJson(await validate('outcomes.csv', '--json')) as Record<string, number> & {
      interval: { low: number; high: number };
      groups: { rows: number }[];
    };
    expect(json['rows']).toBe(400);
    expect(json['bads']).toBe(rows.filter((row) => row.endsWith(',1')).length);
    expect(json.interval.low).toBeLessThan(json['auc']!);
    expect(json.interval.high).toBeGreaterThan(json['auc']!);
    expect(json.groups.reduce((sum, group) => sum + group.rows, 0)).toBe(400);
    const text = await validate('outcomes.csv');
    expect(text).toMatchObject({ code: 0 });
    expect(text.stdout).toContain(`AUC`);
    expect(text.stdout).toContain(json['auc']!.toFixed(4));
    expect(text.stdout).toContain('no stability index'); // the example model counts nothing

    await writeFile(
      pathOf('all-good.csv'),
      `${header}\n${rows.map((row) => row.replace(/1$/, '0')).join('\n')}\n`,
    );
    expect(await validate('all-good.csv')).toMatchObject({ code: 1 });
  });
});
