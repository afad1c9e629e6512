/**
 * Text that somebody else wrote and people here will read: names of runs and consortia, reasons, incidents, columns.
 *
 * A terminal obeys control characters and a page obeys those that turn the direction of writing; others are not seen
 * at all. With either, a name can hide what stands beside it, or look like a verdict. So nothing foreign reaches a
 * terminal, a log or a page but through `inert`, and where a name is made, such characters are refused.
 */
import { z } from 'zod';

/**
 * Unicode 15: controls (C0, C1), formats (direction, zero width, tags), halves of pairs, separators of lines and
 * paragraphs, and whatever else is drawn as nothing.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const EACH_UNSEEN = new RegExp(UNSEEN.source, 'gu');

/** The same text on one line, with each character that is obeyed or not seen written out, as in `\u{1b}`. */
export function inert(text: string): string {
  return text.replace(EACH_UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** JSON that says the same and has no such character in it: also the ones that JSON itself lets through. */
export function inertJson(json: string): string {
  return json.replace(EACH_UNSEEN, (character) =>
    // unit by unit: JSON has no other way to write what is beyond 16 bits
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** A schema of a name or a sentence that people read. */
export function legible(schema: z.ZodString): z.ZodString {
  return schema.refine(
    (text) => !UNSEEN.test(text),
    'must be text that is seen: no control characters, line breaks or characters without width',
  );
}

/** The longest reason in a message, characters. */
export const SENTENCE_MAX = 500;

/** A reason as messages carry it. */
export const sentence = legible(z.string().max(SENTENCE_MAX));

/** Makes a reason that messages can carry of one that perhaps quotes others: a file, a library, the other side. */
export function asSentence(text: string): string {
  return inert(text).slice(0, SENTENCE_MAX);
}
