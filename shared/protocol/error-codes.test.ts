import { describe, expect, test } from 'vitest';
import { describeError, ERROR_CODES, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

const CODES = Object.entries(ERROR_CODES) as [ErrorCode, (typeof ERROR_CODES)[ErrorCode]][];

describe('the table of errors', () => {
  test.each(CODES)(
    'gives %s a client or server status, a title, and a name the protocol can carry',
    (code, entry) => {
      expect(entry.status).toBeGreaterThanOrEqual(400);
      expect(entry.status).toBeLessThan(600);
      expect(Number.isInteger(entry.status)).toBe(true);
      expect(entry.title.length).toBeGreaterThan(5);
      expect(code).toMatch(/^[A-Z_]{2,40}$/); // as in refuse-round and void-round
    },
  );

  test('describes no two codes in the same words', () => {
    expect(new Set(CODES.map(([, { title }]) => title)).size).toBe(CODES.length);
  });

  test('lets only the world’s faults and damaged uploads be tried again', () => {
    const retryable = CODES.filter(([, entry]) => entry.retryable).map(([code]) => code);
    expect(retryable.toSorted()).toEqual([
      'DATABASE',
      'PORT_IN_USE',
      'RATE_LIMIT',
      'STORAGE',
      'UNREACHABLE',
      'VECROOT',
    ]);
  });
});

describe('FederationError', () => {
  test('carries its code, its sentence and its cause', () => {
    const cause = new TypeError('inner');
    const error = new FederationError('SHAPE', 'expected 3 words, got 4', { cause });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message, error.cause]).toEqual([
      'FederationError',
      'SHAPE',
      'expected 3 words, got 4',
      cause,
    ]);
    expect(String(error)).toBe('FederationError: expected 3 words, got 4');
  });
});

test('describeError finds words for anything that was thrown', () => {
  expect(describeError(new RangeError('out of range'))).toBe('out of range');
  expect(describeError('text')).toBe('text');
  expect(describeError(undefined)).toBe('undefined');
  expect(describeError({ code: 1 })).toBe('[object Object]');
});
