import { describe, expect, test } from 'vitest';
import { exampleForest, exampleNetwork, exampleScorecard } from '#models/export/example-models.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { renderModel, summariseModel, titleOf } from '#scripts/commands/model-report.ts';
import { modelPage } from '#scripts/model-report/page.ts';
import { parameterSections } from '#scripts/model-report/parameters.ts';
import { sectionsOf } from '#scripts/model-report/sections.ts';

const ROOT = 'a'.repeat(64);
const MODELS: [string, ModelArtefact][] = [
  ['a scorecard', exampleScorecard()],
  ['trees', exampleForest()],
  ['a regression', exampleNetwork([])],
  ['a network', exampleNetwork([8, 4])],
];

const pageOf = (artefact: ModelArtefact): string =>
  modelPage(titleOf(artefact), ROOT, sectionsOf(artefact, summariseModel(artefact, ROOT).size));

describe.each(MODELS)('the report of %s', (_, artefact) => {
  test('is text with the names of its features, and no figure with fifteen digits', () => {
    const text = renderModel(artefact, summariseModel(artefact, ROOT));
    for (const { name } of artefact.contract.features) expect(text).toContain(name);
    expect(text).not.toMatch(/\d\.\d{8}/);
  });

  test('is one page that loads nothing and runs nothing', () => {
    const page = pageOf(artefact);
    expect(page).not.toMatch(/<script|<link|<img|<iframe|src=|href=|url\(|@import|javascript:/i);
    expect(page).toContain("default-src 'none'");
    for (const { name } of artefact.contract.features) expect(page).toContain(name);
  });
});

test('a scorecard shows of each group its rows, share, bads and bad rate where they are published', () => {
  const artefact = exampleScorecard() as Extract<ModelArtefact, { kind: 'scorecard' }>;
  const [first, ...others] = artefact.parameters.characteristics;
  const counts = first!.woe.map((__, i) =>
    i === 0 ? { rows: 300, bads: 30 } : i === 1 ? { rows: 100, bads: 25 } : null,
  );
  const characteristics = [{ ...first!, counts }, ...others];
  const [section] = parameterSections({
    ...artefact,
    parameters: { ...artefact.parameters, characteristics },
  });
  expect(section!.title).toBe(artefact.contract.features[first!.feature]!.name);
  expect(section!.table!.rows[0]!.slice(1, 5)).toEqual(['300', '75.0 %', '30', '10.0 %']);
  expect(section!.table!.rows[1]!.slice(1, 5)).toEqual(['100', '25.0 %', '25', '25.0 %']);
});

test('importance is the share of the variance between the sides of splits', () => {
  const forest = exampleForest(1) as Extract<ModelArtefact, { kind: 'gbdt' }>;
  // by hand: the root parts 60 from 40 rows by 1; its left side parts 30 from 30 by 2, in means -1 and 1
  const tree = {
    feature: [0, 1, -1, -1, -1],
    bin: [0, 0, -1, -1, -1],
    missingLeft: [true, true, false, false, false],
    left: [1, 3, -1, -1, -1],
    right: [2, 4, -1, -1, -1],
    value: [0, 0, 1, -1, 1],
    cover: [100, 60, 40, 30, 30],
  };
  const [section] = parameterSections({ ...forest, parameters: { baseLogit: 0, trees: [tree] } });
  // root: 60 · 40 / 100 · (0 − 1)² = 24; below it: 30 · 30 / 60 · (−1 − 1)² = 60
  const names = forest.contract.features.map(({ name }) => name);
  expect(section!.table!.rows).toEqual([
    [names[1], '71.4 %', '1'],
    [names[0], '28.6 %', '1'],
  ]);
});

test('a name cannot leave its place on the page', () => {
  const artefact = exampleScorecard();
  const [first, ...others] = artefact.contract.features;
  const name = `"><script>alert('x')</script>\u202e`;
  const contract = { ...artefact.contract, features: [{ ...first!, name }, ...others] };
  const page = pageOf({ ...artefact, contract } as ModelArtefact);
  expect(page).not.toContain('<script');
  expect(page).not.toContain('\u202e');
  expect(page).toContain('&#60;script&#62;');
});
