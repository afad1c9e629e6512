import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertNoSubtraction, difference, mayBothBeKnown } from '#shared/guard/subtraction.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';

const BANKS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => participantId.parse(name));
const companies = fc.subarray(BANKS, { minLength: 1 });

describe('two sums over the same rows', () => {
  test.each([
    ['the same banks', 'abcd', 'abcd', true],
    ['one bank less', 'abcd', 'abc', false],
    ['one bank in the place of another', 'abcd', 'abce', false],
    ['two banks in the places of two others', 'abcd', 'abef', true],
    ['three banks less', 'abcdefg', 'abcd', true],
  ])('with %s may both be known: %s and %s, %s', (_what, one, other, may) => {
    const of = (names: string): ParticipantId[] => names.split('').map((name) => participantId.parse(name));
    expect(mayBothBeKnown(of(one), of(other), { colluders: 1, minimum: 3 })).toBe(may);
  });

  test('never show a difference of fewer than two honest banks, whoever of the others colludes', () => {
    fc.assert(
      fc.property(companies, companies, fc.subarray(BANKS, { maxLength: 2 }), (one, other, colluding) => {
        const company = { colluders: 2, minimum: 4 };
        const honest = difference(one, other).filter((id) => !colluding.includes(id));
        const isShown = mayBothBeKnown(one, other, company) && difference(one, other).length > 0;
        if (isShown) expect(honest.length).toBeGreaterThanOrEqual(2);
      }),
    );
  });

  test('are refused by naming who would be shown', () => {
    const all = BANKS.slice(0, 5);
    expect(() => assertNoSubtraction([all], all.slice(0, 4), { colluders: 1, minimum: 3 })).toThrow(
      /5 banks before, now it would be 4: the difference would show e/,
    );
  });
});
