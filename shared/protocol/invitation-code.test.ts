import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { participantId } from '#shared/protocol/ids.ts';
import {
  readInvitationCode,
  writeInvitationCode,
  type InvitationCode,
} from '#shared/protocol/invitation-code.ts';

const CODE: InvitationCode = {
  url: 'https://coordinator.example:8443/fl',
  charter: 'a'.repeat(64),
  invite: 'b'.repeat(64),
  participant: participantId.parse('alder'),
  token: 'token-of-at-least-twenty',
};
const text = writeInvitationCode(CODE);

/** The code of any JSON, valid or not. */
function codeOf(value: unknown): string {
  return `tally1.${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
}

function refusalOf(code: string): FederationError {
  try {
    readInvitationCode(code);
  } catch (error) {
    if (error instanceof FederationError) return error;
    throw error;
  }
  throw new Error(`accepted: ${code}`);
}

describe('an invitation code', () => {
  test('is one word of the letters that survive any channel', () => {
    expect(text).toMatch(/^tally1\.[A-Za-z0-9_-]+$/);
    expect(text).toBe(codeOf(CODE));
  });

  test('is read back as it was written, for any invitation', () => {
    const hash = fc.string({
      unit: fc.constantFrom(...'0123456789abcdef'.split('')),
      minLength: 64,
      maxLength: 64,
    });
    const any = fc.record({
      url: fc.webUrl({ validSchemes: ['http', 'https'] }),
      charter: hash,
      invite: hash,
      participant: fc.constantFrom('a', 'alder', 'x'.repeat(63)).map((id) => participantId.parse(id)),
      token: fc.string({ unit: 'grapheme-ascii', minLength: 20, maxLength: 100 }),
    });
    fc.assert(
      fc.property(any, (code) => {
        expect(readInvitationCode(writeInvitationCode(code))).toEqual(code);
      }),
      { numRuns: 40 },
    );
  });

  test('may be followed by the newline that copying brings along', () => {
    expect(readInvitationCode(`${text}\r\n`)).toEqual(CODE);
  });

  test.each([
    ['nothing', ''],
    ['the prefix alone', 'tally1.'],
    ['no prefix', text.slice('tally1.'.length)],
    ['another version', text.replace('tally1', 'tally2')],
    ['the prefix in capitals', text.replace('tally1', 'TALLY1')],
    ['its end missing', text.slice(0, -5)],
    ['a character in the middle missing', text.slice(0, 60) + text.slice(61)],
    ['a space in it', `${text.slice(0, 60)} ${text.slice(60)}`],
    ['padding', `${text}==`],
    ['no JSON in it', `tally1.${Buffer.from('hello').toString('base64url')}`],
  ])('with %s is refused', (_what, code) => {
    expect(refusalOf(code).code).toBe('INVITATION');
  });

  test.each([
    ['null', null],
    ['an array', [CODE]],
    ['a further key', { ...CODE, admin: true }],
    ['no token', { ...CODE, token: undefined }],
    ['a short token', { ...CODE, token: 'x'.repeat(19) }],
    ['a long token', { ...CODE, token: 'x'.repeat(101) }],
    ['an address that is no URL', { ...CODE, url: 'coordinator' }],
    ['an address of a script', { ...CODE, url: 'javascript:alert(1)' }],
    ['an address of a file', { ...CODE, url: 'file:///etc/passwd' }],
    ['a charter that is no hash', { ...CODE, charter: 'abc' }],
    ['a participant that is no id', { ...CODE, participant: '../alder' }],
  ])('that holds %s is refused', (_what, value) => {
    expect(refusalOf(codeOf(value)).code).toBe('INVITATION');
  });

  test('is refused without a word of what is in it', () => {
    const refusal = refusalOf(codeOf({ ...CODE, url: 'x' }));
    expect(refusal.message).not.toContain(CODE.token);
    expect(refusal.message).toContain('tally1.');
  });

  test('of any other text is refused with INVITATION and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.json()),
        fc.boolean(),
        (junk, own) => {
          expect(refusalOf(own ? `tally1.${junk}` : junk).code).toBe('INVITATION');
        },
      ),
      { numRuns: 200 },
    );
  });
});
