import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Base64Text,
  canonicalBytes,
  canonicalJson,
  parseCanonicalJson,
} from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

interface Vectors {
  readonly numbers: readonly [hex: string, text: string][];
  readonly notFinite: readonly string[];
  readonly texts: readonly { input: string; canonicalHex?: string; values?: string[] }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../tests/vectors/canonical-json.json', import.meta.url), 'utf8'),
) as Vectors;

function doubleOf(hex: string): number {
  return Buffer.from(hex, 'hex').readDoubleBE();
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof FederationError ? error.code : `not a FederationError: ${String(error)}`;
  }
  return 'accepted';
}

function nested(depth: number, inside: unknown = 0): unknown {
  let value = inside;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { k: value };
  return value;
}

describe('RFC 8785', () => {
  test.each(vectors.numbers)('the double %s is written %s (appendix B)', (hex, text) => {
    expect(canonicalJson(doubleOf(hex))).toBe(text);
  });

  test.each(vectors.notFinite)('the double %s has no JSON and is refused', (hex) => {
    expect(codeOf(() => canonicalJson(doubleOf(hex)))).toBe('CANON');
  });

  test('the sample of section 3.2.2 comes out as its published bytes', () => {
    const { input, canonicalHex } = vectors.texts[0]!;
    expect(Buffer.from(canonicalJson(JSON.parse(input)), 'utf8').toString('hex')).toBe(canonicalHex);
  });

  test('the sample of section 3.2.3 has its keys in the published order', () => {
    const { input, values } = vectors.texts[1]!;
    const order = [...canonicalJson(JSON.parse(input)).matchAll(/:"([^"]*)"/g)].map((match) => match[1]);
    expect(order).toEqual(values);
  });

  test('keys are sorted by UTF-16 code unit, so an emoji comes before U+FB33 and after U+D7FF', () => {
    const keys = ['\ufb33', '\u{1f600}', '\ud7ff', '\u{10ffff}', '\ue000', 'ab', 'a', '', 'B', '10', '9'];
    const sorted = ['', '10', '9', 'B', 'a', 'ab', '\ud7ff', '\u{1f600}', '\u{10ffff}', '\ue000', '\ufb33'];
    const object = Object.fromEntries(keys.map((key) => [key, 1]));
    expect(canonicalJson(object)).toBe(`{${sorted.map((key) => `${JSON.stringify(key)}:1`).join(',')}}`);
  });

  test('keys that look like array indices are sorted as text, unlike in JSON.stringify', () => {
    expect(canonicalJson({ 9: 'b', 10: 'a' })).toBe('{"10":"a","9":"b"}');
  });

  test('control characters take the short escapes and lower-case \\u escapes, everything else stands as it is', () => {
    expect(canonicalJson('\b\t\n\f\r\u0000\u001f\u007f\u2028/é')).toBe(
      '"\\b\\t\\n\\f\\r\\u0000\\u001f\u007f\u2028/é"',
    );
  });
});

describe('values that are not plain JSON', () => {
  class Point {
    x = 1;
  }
  const sparse: unknown[] = [1];
  sparse[2] = 3;
  const refused: [what: string, value: unknown][] = [
    ['undefined', undefined],
    ['an undefined property', { a: undefined }],
    ['an undefined element', [undefined]],
    ['a hole in an array', sparse],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
    ['NaN', { a: [Number.NaN] }],
    ['-Infinity', -Infinity],
    ['a Date', new Date(0)],
    ['a class instance', new Point()],
    ['a Map', new Map([['a', 1]])],
    ['a typed array', new Uint8Array(2)],
    ['a boxed string', Object('text')],
    ['an object with a toJSON method', { toJSON: () => 1 }],
    ['an inherited object', Object.create({ a: 1 })],
    ['a high surrogate alone', 'a\ud800b'],
    ['a low surrogate alone', '\udc00'],
    ['two surrogates in the wrong order', '\udc00\ud800'],
    ['a lone surrogate in a key', { '\ud83d': 1 }],
  ];

  test.each(refused)('%s is refused', (_what, value) => {
    expect(codeOf(() => canonicalJson(value))).toBe('CANON');
  });

  test('an object without a prototype is plain', () => {
    expect(canonicalJson(Object.assign(Object.create(null) as object, { a: 1 }))).toBe('{"a":1}');
  });

  test('nesting of 64 is written and read, 65 is refused both ways', () => {
    const deepest = canonicalJson(nested(64));
    expect(parseCanonicalJson(deepest)).toEqual(nested(64));
    expect(codeOf(() => canonicalJson(nested(65)))).toBe('CANON');
    expect(codeOf(() => parseCanonicalJson(`[${deepest}]`))).toBe('CANON');
  });

  test('a hundred thousand brackets are refused and do not exhaust the stack', () => {
    expect(codeOf(() => parseCanonicalJson('['.repeat(1e5) + ']'.repeat(1e5)))).toBe('CANON');
  });
});

describe('parseCanonicalJson', () => {
  const refused: [what: string, text: string][] = [
    ['text that is not JSON', '{a:1}'],
    ['nothing', ''],
    ['trailing text', '{}x'],
    ['a duplicate key with another value', '{"a":1,"a":2}'],
    ['a duplicate key with the same value', '{"a":1,"a":1}'],
    ['keys out of order', '{"b":1,"a":2}'],
    ['keys ordered by code point', '{"\ufb33":1,"\u{1f600}":2}'],
    ['a space after a colon', '{"a": 1}'],
    ['a newline at the end', '{}\n'],
    ['a byte order mark', '\ufeff{}'],
    ['a number with trailing zeros', '[1.0]'],
    ['an exponent where none is needed', '[1e2]'],
    ['a capital exponent', '[1E+21]'],
    ['an exponent without its sign', '[1e21]'],
    ['decimals where an exponent is needed', '[0.0000001]'],
    ['minus zero', '[-0]'],
    ['more digits than the double has', '[0.10000000000000001]'],
    ['an integer that is not a double', '[9007199254740993]'],
    ['a number beyond all doubles', '[1e400]'],
    ['a needless escape', '"\\u0041"'],
    ['an escaped slash', '"\\/"'],
    ['a capital hex escape', '"\\u001F"'],
    ['a long escape of a newline', '"\\u000a"'],
    ['an escaped lone surrogate', '"\\ud800"'],
    ['an escaped surrogate pair', '"\\ud83d\\ude00"'],
  ];

  test.each(refused)('%s is refused', (_what, text) => {
    expect(codeOf(() => parseCanonicalJson(text))).toBe('CANON');
  });

  test('a key named __proto__ is data like any other and stays an own key', () => {
    const value = parseCanonicalJson('{"__proto__":{"polluted":true}}');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect((value as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('reads back every JSON value it is given canonically', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(parseCanonicalJson(text))).toBe(text);
        expect(parseCanonicalJson(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 200 },
    );
  });

  test('the order in which keys were added does not change the text', () => {
    const entries = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), fc.jsonValue()), {
      selector: ([key]) => key,
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        entries.chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }),
          ),
        ),
        ([list, shuffled]) => {
          expect(canonicalJson(Object.fromEntries(shuffled))).toBe(canonicalJson(Object.fromEntries(list)));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('text that is not what would be written never passes, whatever was done to it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom(' ', '\n', '\t'), (text, at, space) => {
        const canonical = canonicalJson(JSON.parse(text));
        const where = at % (canonical.length + 1);
        const padded = canonical.slice(0, where) + space + canonical.slice(where);
        // the space may fall inside a string, where it is another, still canonical, value
        if (codeOf(() => parseCanonicalJson(padded)) === 'accepted') {
          expect(JSON.parse(padded)).not.toEqual(JSON.parse(canonical));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('bytes', () => {
  test('are the UTF-8 of the text, whatever is in it', () => {
    const json = fc.jsonValue({ stringUnit: 'grapheme' });
    fc.assert(
      fc.property(json, (value) => {
        expect(Buffer.from(canonicalBytes(value)).toString('utf8')).toBe(canonicalJson(value));
      }),
    );
  });

  test('hold the base64 of other bytes where those stand, between any text, as the text does', () => {
    const leaf = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: 'grapheme' }), fc.double());
    const shapes = fc.array(fc.dictionary(fc.string({ unit: 'grapheme' }), leaf), { maxLength: 4 });
    fc.assert(
      fc.property(shapes, (shape) => {
        const [given, meant] = [
          (bytes: Uint8Array) => new Base64Text(bytes),
          (bytes: Uint8Array) => Buffer.from(bytes).toString('base64'),
        ].map((put) =>
          shape.map((one) =>
            Object.fromEntries(
              Object.entries(one).map(([key, value]) => [
                key,
                value instanceof Uint8Array
                  ? put(value)
                  : Number.isFinite(value) || typeof value === 'string'
                    ? value
                    : null,
              ]),
            ),
          ),
        );
        expect(Buffer.from(canonicalBytes(given)).toString('utf8')).toBe(canonicalJson(meant));
        expect(canonicalJson(given)).toBe(canonicalJson(meant));
      }),
    );
  });
});
