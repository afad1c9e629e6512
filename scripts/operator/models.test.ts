import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fedavgSettings } from '#models/fedavg/settings.ts';
import { gbdtSettings } from '#models/gbdt/settings.ts';
import { logisticSettings } from '#models/logistic/settings.ts';
import { scorecardSettings } from '#models/scorecard/settings.ts';
import { programNamed } from '#models/catalogue.ts';
import { assertOptionsFit, MODELS, PROPOSALS } from '#scripts/operator/models.ts';
import { planFor } from '#scripts/operator/plan-file.ts';

describe('an option that a model does not have', () => {
  test.each([
    ['logistic', { rounds: 30 }, /--rounds.*logistic/],
    ['scorecard', { patience: 5 }, /--patience.*scorecard/],
    ['logistic', { targetAuc: 0.8 }, /--target-auc.*logistic/],
    ['profile', { rounds: 1 }, /--rounds.*profile/],
  ] as const)('is refused by name: %s %o', (model, options, message) => {
    expect(() => assertOptionsFit(model, options)).toThrow(message);
  });

  test('is one that its program could not be told', () => {
    const most = { rounds: 30, patience: 5, targetAuc: 0.8 };
    const asked = { name: 'x', participants: ['a'], minimum: 1, seed: 's' };
    for (const model of PROPOSALS) {
      for (const [name, value] of Object.entries(most)) {
        const options = { ...asked, model, [name]: value };
        let plan: ReturnType<typeof planFor>;
        try {
          plan = planFor(options);
        } catch {
          continue;
        }
        // what is taken is in the plan, and the program takes it
        expect(JSON.stringify(plan.program.settings)).toContain(`${value}`);
        expect(programNamed(plan.program.name).maximumRounds(plan.program.settings)).toBeGreaterThan(0);
      }
    }
  });
});

/** Names of all settings, nested ones too. */
function settingsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === 'properties' ? [...Object.keys(value as object), ...settingsOf(value)] : settingsOf(value),
  );
}

test.each(
  Object.entries({
    fedavg: fedavgSettings,
    gbdt: gbdtSettings,
    logistic: logisticSettings,
    scorecard: scorecardSettings,
  }),
)('docs/programs.md names every setting of %s', (_, schema) => {
  const page = readFileSync(new URL('../../docs/programs.md', import.meta.url), 'utf8');
  const named = new Set(page.match(/[A-Za-z0-9]+/g));
  const names = settingsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});

test('every model is on the page of programs, and every program on it is there', () => {
  const page = readFileSync(new URL('../../docs/programs.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| `(\w+)` +\|.*\| (?:yes|no) +\|$/gm)].map(
    ([, model, program]) => [model, program],
  );
  expect(rows.map(([model]) => model).toSorted()).toEqual([...PROPOSALS].toSorted());
  for (const [, program] of rows) expect(programNamed(program!).name).toBe(program);
  expect(PROPOSALS).toEqual(expect.arrayContaining([...MODELS]));
});
