import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { contractBytes, contractHash, dataContract, type DataContract } from '#shared/contract/contract.ts';

const AMOUNT = { name: 'amount', type: 'number', min: 0, max: 5000 };
const PURPOSE = { name: 'purpose', type: 'category', categories: ['car', 'home'] };
const TARGET = { column: 'default', bad: '1' };

function contract(features: readonly object[] = [AMOUNT, PURPOSE], changes: object = {}): unknown {
  return { v: 1, name: 'retail', target: TARGET, features, ...changes };
}

/** The paths and messages of what is wrong. */
function issues(value: unknown): string[] {
  const parsed = dataContract.safeParse(value);
  return parsed.success ? [] : parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`);
}

describe('a data contract', () => {
  test('takes defaults: linear scale, missing values allowed', () => {
    expect(dataContract.parse(contract()).features).toEqual([
      { ...AMOUNT, scale: 'linear', missing: 'allowed' },
      { ...PURPOSE, missing: 'allowed' },
    ]);
  });

  test('may describe everything in it', () => {
    const described = contract(
      [
        { ...AMOUNT, description: 'asked for', unit: 'EUR', scale: 'log', missing: 'refused' },
        { ...PURPOSE, description: 'as stated', missing: 'refused' },
      ],
      { description: 'x', target: { ...TARGET, good: '0', description: '90 days past due' } },
    );
    expect(issues(described)).toEqual([]);
  });

  test.each([
    ['min above max', { min: 2, max: 1 }],
    ['min equal to max', { min: 1, max: 1 }],
    ['a range that is not finite', { min: -Infinity, max: 1 }],
    ['no range', { min: undefined }],
    ['a range as text', { max: '5000' }],
    ['an unknown scale', { scale: 'cubic' }],
    ['an unknown treatment of missing values', { missing: 'zero' }],
    ['an unknown type', { type: 'date' }],
    ['the fields of the other type', { categories: ['a'] }],
    ['no name', { name: '' }],
    ['a name of 129 characters', { name: 'n'.repeat(129) }],
    ['a unit of 41 characters', { unit: 'u'.repeat(41) }],
  ])('refuses a number feature with %s', (_what, changes) => {
    expect(issues(contract([{ ...AMOUNT, ...changes }, PURPOSE]))).toEqual([
      expect.stringMatching(/^features\.0/),
    ]);
  });

  test.each([
    ['no categories', { categories: [] }],
    ['a category twice', { categories: ['car', 'home', 'car'] }],
    ['a category that is no text', { categories: ['car', 1] }],
    ['a category of 201 characters', { categories: ['c'.repeat(201)] }],
    ['1001 categories', { categories: Array.from({ length: 1001 }, (_, i) => `c${i}`) }],
    ['a range', { min: 0, max: 1 }],
  ])('refuses a category feature with %s', (_what, changes) => {
    expect(issues(contract([AMOUNT, { ...PURPOSE, ...changes }]))).toEqual([
      expect.stringMatching(/^features\.1/),
    ]);
  });

  test('takes 1000 categories, and categories that differ in case or spaces only', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `c${i}`);
    expect(issues(contract([{ ...PURPOSE, categories: many }]))).toEqual([]);
    expect(issues(contract([{ ...PURPOSE, categories: ['car', 'Car', 'car '] }]))).toEqual([]);
  });

  test('names each column once, the target included, and says which is named again', () => {
    const again = issues(contract([AMOUNT, PURPOSE, { ...PURPOSE, name: 'amount' }]));
    expect(again).toEqual([expect.stringMatching(/^features\.2\.name: "amount"/)]);
    const target = issues(contract([{ ...AMOUNT, name: 'default' }]));
    expect(target).toEqual([expect.stringMatching(/^features\.0\.name: "default"/)]);
  });

  test.each([
    ['no features', contract([])],
    ['2001 features', contract(Array.from({ length: 2001 }, (_, i) => ({ ...AMOUNT, name: `a${i}` })))],
    ['no target', contract([AMOUNT], { target: undefined })],
    ['a target without its bad value', contract([AMOUNT], { target: { column: 'default' } })],
    ['an unknown key', contract([AMOUNT], { extra: 1 })],
    ['another version', contract([AMOUNT], { v: 2 })],
    ['no name', contract([AMOUNT], { name: '' })],
    ['nothing', null],
  ])('is refused with %s', (_what, value) => {
    expect(issues(value).length).toBeGreaterThan(0);
  });
});

describe('the hash of a contract', () => {
  const parsed = dataContract.parse(contract());
  const canonical =
    '{"features":[{"max":5000,"min":0,"missing":"allowed","name":"amount","scale":"linear","type":"number"},' +
    '{"categories":["car","home"],"missing":"allowed","name":"purpose","type":"category"}],' +
    '"name":"retail","target":{"bad":"1","column":"default"},"v":1}';

  test('is the Merkle root of its canonical JSON, written by hand here', () => {
    expect(Buffer.from(contractBytes(parsed)).toString()).toBe(canonical);
    expect(contractHash(parsed)).toBe(createHash('sha256').update(`\0${canonical}`).digest('hex'));
  });

  test('does not depend on the order of keys, nor on whether defaults were written out', () => {
    const shuffled = contract([
      { missing: 'allowed', scale: 'linear', max: 5000, min: 0, type: 'number', name: 'amount' },
      { categories: ['car', 'home'], type: 'category', name: 'purpose' },
    ]);
    expect(contractHash(dataContract.parse(shuffled))).toBe(contractHash(parsed));
  });

  test('changes with everything a row is read by', () => {
    const [amount, purpose] = parsed.features as [object, object];
    const others: DataContract[] = [
      contract([purpose, amount]),
      contract([{ ...amount, max: 5001 }, purpose]),
      contract([{ ...amount, scale: 'log' }, purpose]),
      contract([amount, { ...purpose, categories: ['home', 'car'] }]),
      contract([amount, { ...purpose, missing: 'refused' }]),
      contract([amount, purpose], { target: { ...TARGET, bad: '2' } }),
    ].map((value) => dataContract.parse(value));
    const hashes = new Set([parsed, ...others].map(contractHash));
    expect(hashes.size).toBe(7);
  });
});
