import { describe, expect, test } from 'vitest';
import { LIMITS } from '#shared/protocol/limits.ts';
import { plan } from '#shared/protocol/plan.ts';

const PLAN = {
  v: 1,
  name: 'spring',
  contract: 'a'.repeat(64),
  program: { name: 'fedavg', settings: { stop: { rounds: 3 } } },
  participants: ['alder', 'birch', 'cedar'],
  cohort: { minimum: 2 },
  aggregation: 'plain',
  seed: 's',
};

function issues(changes: object): string[] {
  const parsed = plan.safeParse({ ...PLAN, ...changes });
  return parsed.success ? [] : parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`);
}

const banks = (count: number) =>
  Array.from({ length: count }, (_, i) => `bank-${String(i).padStart(4, '0')}`);

describe('a plan', () => {
  test('takes defaults: a day to consent, ten minutes a round, fifteen seconds of absence, two retries', () => {
    expect(plan.parse(PLAN)).toEqual({
      ...PLAN,
      deadlines: { consentMs: 86_400_000, roundMs: 600_000, absenceMs: 15_000 },
      retries: 2,
    });
    expect(plan.parse({ ...PLAN, deadlines: { roundMs: 500 } }).deadlines).toEqual({
      consentMs: 86_400_000,
      roundMs: 500,
      absenceMs: 15_000,
    });
  });

  test('read again with its defaults is the same plan', () => {
    expect(plan.parse(plan.parse(PLAN))).toEqual(plan.parse(PLAN));
  });

  test.each([
    ['out of order', ['birch', 'alder', 'cedar']],
    ['with one of them twice', ['alder', 'alder', 'birch']],
    ['with one of them twice, apart', ['alder', 'birch', 'alder']],
    ['in the order of a dictionary, not of code units', ['a-b', 'a0', 'a-c']],
  ])('is refused with participants %s', (_what, participants) => {
    expect(issues({ participants })).toEqual(['participants: must be in alphabetical order, each bank once']);
  });

  test('sorts participants by code unit: hyphen, digits, letters', () => {
    expect(issues({ participants: ['a-b', 'a0', 'ab'] })).toEqual([]);
  });

  test('needs no more banks than it asks, and says how many that is', () => {
    expect(issues({ cohort: { minimum: 3 } })).toEqual([]);
    expect(issues({ cohort: { minimum: 4 } })).toEqual(['cohort.minimum: is 4, but only 3 banks are asked']);
  });

  test(`asks 1 to ${LIMITS.participantsMax} banks`, () => {
    expect(issues({ participants: banks(LIMITS.participantsMax) })).toEqual([]);
    expect(issues({ participants: banks(LIMITS.participantsMax + 1) }).join()).toMatch(/^participants/);
    const long = banks(LIMITS.participantsMax).map((id) => `${id}-of-the-north-east`);
    expect(issues({ participants: long }).join()).toMatch(/^participants: too many banks with ids so long/);
    expect(issues({ participants: [], cohort: { minimum: 1 } }).join()).toMatch(/participants/);
    expect(issues({ participants: ['alder'], cohort: { minimum: 1 } })).toEqual([]);
  });

  test.each([
    ['v', 2],
    ['name', ''],
    ['name', 'n'.repeat(101)],
    ['contract', 'A'.repeat(64)],
    ['program', { name: 'Fedavg', settings: null }],
    ['program', { name: 'fedavg', settings: Number.NaN }],
    ['program', { name: 'fedavg', settings: { at: new Date(0) } }],
    ['program', { name: 'fedavg', settings: null, extra: 1 }],
    ['participants', 'alder'],
    ['participants', ['Alder', 'birch']],
    ['cohort', { minimum: 0 }],
    ['cohort', { minimum: 1.5 }],
    ['cohort', { minimum: 2, maximum: 3 }],
    ['aggregation', 'secret'],
    ['seed', ''],
    ['seed', 's'.repeat(101)],
    ['deadlines', { consentMs: 999 }],
    ['deadlines', { consentMs: 30 * 86_400_000 + 1 }],
    ['deadlines', { roundMs: 99 }],
    ['deadlines', { roundMs: 86_400_001 }],
    ['deadlines', { absenceMs: -1 }],
    ['deadlines', { sleepMs: 1 }],
    ['retries', -1],
    ['retries', 101],
    ['retries', '2'],
  ])('is refused with %s: %j', (key, value) => {
    expect(issues({ [key]: value }).join()).toMatch(new RegExp(`^${key}`));
  });

  test('is refused with a key nobody knows', () => {
    expect(issues({ priority: 1 }).join()).toContain('priority');
  });
});
