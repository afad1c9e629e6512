import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '#shared/crypto/hash.ts';
import { parseEntry, recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';

const HASH = '0123456789abcdef'.repeat(4);
const SIG = `${'A'.repeat(85)}Q`;

const consentText =
  `{"message":{"payload":{"decision":"granted","from":"alder","reason":"für uns gut","run":"${HASH}"},` +
  `"sig":"${SIG}","type":"consent"},"seq":7,"time":1800000000000}`;
const consentPayload = `{"decision":"granted","from":"alder","reason":"für uns gut","run":"${HASH}"}`;

function proposal(settings: string): Message {
  const proposed = plan.parse({
    v: 1,
    name: 'spring',
    contract: HASH,
    program: { name: 'fedavg', settings },
    participants: ['alder'],
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed: 's',
  });
  return { type: 'run-proposed', payload: { charter: HASH, plan: proposed }, sig: SIG };
}

function sha256(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof FederationError ? error.code : `not a FederationError: ${String(error)}`;
  }
  return 'accepted';
}

describe('an entry', () => {
  test('is read from its canonical text, with the hash of its message and the leaf of its bytes', () => {
    const recorded = parseEntry(consentText);
    expect(recorded.entry).toEqual({
      seq: 7,
      time: 1_800_000_000_000,
      message: {
        type: 'consent',
        payload: { run: HASH, from: 'alder', decision: 'granted', reason: 'für uns gut' },
        sig: SIG,
      },
    });
    expect(recorded.text).toBe(consentText);
    expect(recorded.hash).toBe(sha256(`tallystick/v1 consent\n${consentPayload}`));
    expect(toHex(recorded.leaf)).toBe(sha256(Uint8Array.of(0), consentText));
  });

  test('is recorded as the same text from which it is read', () => {
    const recorded = recordEntry(parseEntry(consentText).entry);
    expect(recorded).toEqual(parseEntry(consentText));
  });

  test('has another leaf at another position or time, and keeps the hash of its message', () => {
    const { entry, hash, leaf } = parseEntry(consentText);
    for (const moved of [
      recordEntry({ ...entry, seq: 8 }),
      recordEntry({ ...entry, time: entry.time + 1 }),
    ]) {
      expect(moved.hash).toBe(hash);
      expect(toHex(moved.leaf)).not.toBe(toHex(leaf));
    }
  });
});

describe('text that is not exactly an entry', () => {
  const without = (part: string) => consentText.replace(part, '');
  test.each([
    ['a space', 'CANON', consentText.replace(',"seq"', ', "seq"')],
    ['a newline at the end', 'CANON', `${consentText}\n`],
    ['its keys in another order', 'CANON', `{"seq":7,${without('"seq":7,').slice(1)}`],
    ['an escaped umlaut', 'CANON', consentText.replace('ü', '\\u00fc')],
    ['a time with an exponent', 'CANON', consentText.replace('1800000000000', '18e11')],
    ['a key twice', 'CANON', consentText.replace('"seq":7', '"seq":6,"seq":7')],
    ['no sequence number', 'SCHEMA', without('"seq":7,')],
    ['no time', 'SCHEMA', without(',"time":1800000000000')],
    ['no message', 'SCHEMA', '{"seq":7,"time":1800000000000}'],
    ['a further key', 'SCHEMA', `${consentText.slice(0, -1)},"zone":1}`],
    [
      'a further key in the message',
      'SCHEMA',
      consentText.replace('"type":"consent"', '"type":"consent","zone":1'),
    ],
    [
      'a further key in the payload',
      'SCHEMA',
      consentText.replace(`"run":"${HASH}"`, `"run":"${HASH}","zone":1`),
    ],
    ['a negative sequence number', 'SCHEMA', consentText.replace('"seq":7', '"seq":-7')],
    ['a fractional sequence number', 'SCHEMA', consentText.replace('"seq":7', '"seq":7.5')],
    ['a sequence number as text', 'SCHEMA', consentText.replace('"seq":7', '"seq":"7"')],
    ['a fractional time', 'SCHEMA', consentText.replace('1800000000000', '1800000000000.5')],
    ['a time beyond the safe integers', 'SCHEMA', consentText.replace('1800000000000', '9007199254740992')],
    ['an unknown type', 'SCHEMA', consentText.replace('"consent"', '"consents"')],
    ['a type that is on every prototype', 'SCHEMA', consentText.replace('"consent"', '"constructor"')],
    ['a signature with other trailing bits', 'SCHEMA', consentText.replace(SIG, `${'A'.repeat(85)}R`)],
    ['a __proto__', 'SCHEMA', consentText.replace('{"message"', '{"__proto__":{},"message"')],
    ['an array around it', 'SCHEMA', `[${consentText}]`],
    ['nothing in it', 'CANON', ''],
    ['null in it', 'SCHEMA', 'null'],
  ])('that is, with %s, is refused with %s', (_what, code, text) => {
    expect(text).not.toBe(consentText);
    expect(codeOf(() => parseEntry(text))).toBe(code);
  });

  test('leaving a default unwritten is refused: the signature would be over other bytes', () => {
    const whole = recordEntry({ seq: 1, time: 2, message: proposal('x') }).text;
    expect(codeOf(() => parseEntry(whole))).toBe('accepted');
    for (const part of [',"retries":2', '"consentMs":86400000,']) {
      expect(whole).toContain(part);
      expect(codeOf(() => parseEntry(whole.replace(part, '')))).toBe('CANON');
    }
  });

  test('cut anywhere is refused', () => {
    for (let end = 0; end < consentText.length; end++) {
      expect(codeOf(() => parseEntry(consentText.slice(0, end)))).toBe('CANON');
    }
  });

  test('never passes as something else than it says, and never throws anything but a FederationError', () => {
    const mutation = fc.record({
      at: fc.nat({ max: consentText.length - 1 }),
      remove: fc.nat({ max: 3 }),
      insert: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 3 }),
        fc.constantFrom(
          '"',
          '\\',
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          '0',
          '-',
          'e',
          ' ',
          'null',
          '\\u0000',
          '\ud800',
        ),
      ),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        let text = consentText;
        for (const { at, remove, insert } of mutations) {
          text = text.slice(0, at) + insert + text.slice(at + remove);
        }
        let recorded;
        try {
          recorded = parseEntry(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FederationError);
          return;
        }
        // what is left is another entry, canonical in its own right
        expect(recorded.text).toBe(text);
        expect(JSON.parse(text)).toEqual(recorded.entry);
      }),
      { numRuns: 1500 },
    );
  });

  test('and any JSON that is no entry is refused as not canonical or of the wrong shape', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(['CANON', 'SCHEMA']).toContain(codeOf(() => parseEntry(text)));
        expect(['CANON', 'SCHEMA']).toContain(
          codeOf(() => parseEntry(`{"message":${text},"seq":0,"time":0}`)),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('the limit of 65535 bytes', () => {
  const bytesOf = (entry: Entry) => Buffer.byteLength(recordEntry(entry).text);
  const overhead = bytesOf({ seq: 1, time: 2, message: proposal('') });

  test.each([
    ['one byte each', 'x', 1],
    ['two bytes each', 'é', 2],
    ['four bytes each', '🐎', 4],
  ])('is counted in UTF-8, with characters of %s', (_what, character, bytes) => {
    const fits = Math.floor((65_535 - overhead) / bytes);
    const padding = 'x'.repeat((65_535 - overhead) % bytes);
    const entry = { seq: 1, time: 2, message: proposal(character.repeat(fits) + padding) };
    expect(bytesOf(entry)).toBe(65_535);
    const { text } = recordEntry(entry);
    expect(parseEntry(text).text).toBe(text);

    const larger = { ...entry, message: proposal(`${character.repeat(fits) + padding}x`) };
    expect(codeOf(() => recordEntry(larger))).toBe('TOO_LARGE');
    expect(codeOf(() => parseEntry(text.replace('"settings":"', '"settings":"x')))).toBe('TOO_LARGE');
  });

  test('is met before the text is parsed', () => {
    expect(codeOf(() => parseEntry('['.repeat(65_536)))).toBe('TOO_LARGE');
  });
});
