/**
 * What a file's outcomes mean: which spellings are bad, which good, and which say that the outcome is not known.
 * Beyond one spelling of each nothing is guessed: the error lists what the file has, for a person to say.
 */
import { countedTexts } from '#participant-agent/data/counted-texts.ts';
import { formatPercent, groupDigits } from '#participant-agent/data/data-report.ts';
import { type DataSource, wellFormedBatches } from '#participant-agent/data/data-source.ts';
import { isMissingOutcome } from '#participant-agent/data/missing-markers.ts';
import { outcomeKey } from '#shared/contract/cell-text.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** More are no outcomes; they are not listed, because they may be applicants' own. */
const OUTCOMES_MAX = 50;

export interface OutcomeNames {
  readonly column: string;
  /** As the file spells it; several, also with commas between. */
  readonly bad: readonly string[];
  readonly good?: readonly string[] | undefined;
}

export interface InferredOutcome {
  readonly target: DataContract['target'];
  readonly notes: readonly string[];
}

/**
 * @throws FederationError DATA_SOURCE without rows, USAGE when none is bad or none good, or a value may be either
 */
export async function inferOutcome(source: DataSource, names: OutcomeNames): Promise<InferredOutcome> {
  const rowsOf = new Map<string, number>();
  let rows = 0;
  for await (const batch of wellFormedBatches(source, [names.column])) {
    for (const { cells, aside } of batch) {
      if (aside !== undefined) continue;
      rows++;
      const key = outcomeKey(cells[0] ?? '');
      rowsOf.set(key, (rowsOf.get(key) ?? 0) + 1);
    }
  }
  if (rows === 0) {
    const message = `${source.path}: expected rows below the header, found none; export it again`;
    throw new FederationError('DATA_SOURCE', message);
  }
  const empty = rowsOf.get('') ?? 0;
  rowsOf.delete('');
  return decide(source.path, names, rowsOf, rows, empty);
}

function decide(
  path: string,
  names: OutcomeNames,
  rowsOf: ReadonlyMap<string, number>,
  rows: number,
  empty: number,
): InferredOutcome {
  const { column } = names;
  const found = rowsOf.size === 0 ? 'only empty cells' : countedTexts(rowsOf, 'many other values');
  const refuse = (expected: string, todo: string): FederationError =>
    new FederationError(
      'USAGE',
      `${path}, column "${column}": expected ${expected}, found ${found}; ${todo}`,
    );
  const bad = spelled(names.bad, rowsOf);
  const named = names.good === undefined ? undefined : spelled(names.good, rowsOf);
  const both = bad.find((text) => named?.includes(text) === true);
  if (both !== undefined)
    throw new FederationError('USAGE', `"${both}" is named as bad and as good; name it once`);
  const todo = 'name the bad and good outcome as the file spells them (--positive, --good)';
  for (const text of [...bad, ...(named ?? [])])
    if (!rowsOf.has(text)) throw refuse(`"${text}" in some rows`, todo);

  const rest = [...rowsOf.keys()].filter((text) => !bad.includes(text) && named?.includes(text) !== true);
  const missing = rest.filter(isMissingOutcome);
  const others = rest.filter((text) => !isMissingOutcome(text));
  const variant = others.find((text) =>
    [...bad, ...(named ?? [])].some((known) => folded(known) === folded(text)),
  );
  if (variant !== undefined)
    throw refuse(
      'each outcome spelled in one way',
      `"${variant}" differs from a named value in capitals or blanks only: name it too if it means the same (${optionsFor(bad, named)} and the same again for "${variant}"), or correct the file`,
    );
  if (named === undefined && others.length > 1)
    throw refuse(
      'one value besides the bad one',
      `say what the others mean: ${optionsFor(bad, ['VALUE'])}, each as often as needed; with --good, values that are neither count as not known`,
    );
  const good = named ?? others;
  if (good.length === 0) {
    const marker = missing[0];
    const hint = marker === undefined ? todo : `if "${marker}" means good, say so: --good "${marker}"`;
    throw refuse(`something else than ${quoted(bad)} in some rows`, hint);
  }
  const notKnown = named === undefined ? missing : rest;
  if (notKnown.length > OUTCOMES_MAX) throw refuse('few values', 'that is no column of outcomes');

  const sum = (texts: readonly string[]): number =>
    texts.reduce((total, text) => total + rowsOf.get(text)!, 0);
  const known = sum(bad) + sum(good);
  const notes = [
    `${groupDigits(rows)} rows read, ${groupDigits(sum(bad))} of ${groupDigits(known)} with an outcome are bad (${formatPercent(sum(bad) / known)}): ${column} = ${quoted(bad)} is bad, ${quoted(good)} is good.`,
  ];
  if (empty > 0) notes.push(`${groupDigits(empty)} rows have no outcome and were not looked at.`);
  if (notKnown.length > 0) {
    const listed = countedTexts(new Map(notKnown.map((text) => [text, rowsOf.get(text)!])), 'many values');
    notes.push(`${listed}: taken as outcomes that are not known; these rows were not looked at.`);
  }
  const oneOrMore = (texts: readonly string[]): string | string[] =>
    texts.length === 1 ? texts[0]! : [...texts];
  const target = {
    column,
    bad: oneOrMore(bad),
    good: oneOrMore(good),
    ...(notKnown.length === 0 ? {} : { missing: notKnown }),
  };
  return { target, notes };
}

/** The keys of what was named; a text with commas is several, unless the file has it as it is. */
function spelled(named: readonly string[], rowsOf: ReadonlyMap<string, number>): string[] {
  const keys = named.flatMap((text) => {
    const whole = outcomeKey(text);
    const parts = text.split(',').map(outcomeKey);
    return rowsOf.has(whole) || !parts.every((part) => rowsOf.has(part)) ? [whole] : parts;
  });
  return [...new Set(keys)];
}

function optionsFor(bad: readonly string[], good: readonly string[] | undefined): string {
  const each = (option: string, texts: readonly string[]): string[] =>
    texts.map((text) => `${option} "${text}"`);
  return [...each('--positive', bad), ...each('--good', good ?? [])].join(' ');
}

function quoted(texts: readonly string[]): string {
  return texts.map((text) => `"${text}"`).join(' or ');
}

function folded(text: string): string {
  return text.toLowerCase().replaceAll(/[\s_-]+/g, '');
}
