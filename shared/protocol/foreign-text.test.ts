import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asSentence, inert, inertJson, legible, sentence } from '#shared/protocol/foreign-text.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { consortiumPayloads } from '#shared/protocol/payloads/consortium.ts';
import { planFields } from '#shared/protocol/plan.ts';
import { z } from 'zod';

/** From the Unicode character database: what is obeyed by a terminal or a page, or drawn as nothing. */
const HARMFUL = {
  'C0: escape': '\u001b[8m',
  'C0: return': '\r',
  'C0: line feed': '\n',
  'C0: tab': '\t',
  delete: '\u007f',
  'C1: control sequence introducer': '\u009b8m',
  'right-to-left override': '\u202e',
  'first strong isolate': '\u2068',
  'Arabic letter mark': '\u061c',
  'zero width space': '\u200b',
  'zero width joiner': '\u200d',
  'word joiner': '\u2060',
  'byte order mark': '\ufeff',
  'soft hyphen': '\u00ad',
  'line separator': '\u2028',
  'Hangul filler': '\u3164',
  'variation selector': '\ufe0f',
  'tag letter': '\u{e0041}',
  'half of a pair': '\ud800',
};

describe.each(Object.entries(HARMFUL))('%s', (_, harmful) => {
  test('is written out for people, and for machines says what it said', () => {
    const name = `spring${harmful}card`;
    const shown = inert(name);
    for (const character of harmful) if (!/[[\dm]/.test(character)) expect(shown).not.toContain(character);
    expect(shown).toMatch(/^spring\\u\{[0-9a-f]+\}/);
    const json = inertJson(JSON.stringify({ name }));
    expect(json).toMatch(/^[ -~]*$/);
    expect(JSON.parse(json)).toEqual({ name });
  });

  test('is in no name and no reason', () => {
    const name = `spring${harmful}card`;
    expect(planFields.shape.name.safeParse(name).success).toBe(false);
    expect(planFields.shape.seed.safeParse(name).success).toBe(false);
    expect(participantId.safeParse(name).success).toBe(false);
    expect(consortiumPayloads.charter.shape.consortium.safeParse(name).success).toBe(false);
    expect(consortiumPayloads.incident.shape.reason.safeParse(name).success).toBe(false);
    expect(sentence.safeParse(name).success).toBe(false);
    expect(sentence.safeParse(asSentence(name)).success).toBe(true);
  });
});

test.each(['信用模型 2026', 'Zürich, 3. Quartal: „neu"', '模型\u3000甲', 'e\u0301té', '🏦'])(
  'a name in any language stays as it is: %s',
  (name) => {
    expect(inert(name)).toBe(name);
    expect(legible(z.string()).safeParse(name).success).toBe(true);
  },
);

test('whatever somebody wrote, what is shown has one line, is shown the same again, and makes a reason', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      const shown = inert(text);
      expect(shown.split('\n')).toHaveLength(1);
      expect(inert(shown)).toBe(shown);
      expect(sentence.safeParse(asSentence(text)).success).toBe(true);
      expect(JSON.parse(inertJson(JSON.stringify(text)))).toBe(text);
    }),
  );
});
