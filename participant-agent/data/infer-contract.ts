/**
 * A first draft of a data contract from one bank's file, for a person to correct: what the outcomes mean, which
 * columns are numbers, how they are written and in what range, which are categories and of what levels, which are not
 * features at all; every column that is left out or no plain number is named with the reason.
 *
 * A draft is this bank's view. Its ranges and levels come from its rows (widened to two digits; levels of
 * two rows at least), so it is read and agreed on before it leaves the bank. It points out what tells too much of the
 * outcome, but cannot know when a column was written; such columns must be named in `exclude`.
 */
import { basename } from 'node:path';
import { ColumnCells } from '#participant-agent/data/column-cells.ts';
import { type DataSource, wellFormedBatches, withDataSource } from '#participant-agent/data/data-source.ts';
import { decideFeature, type Reading } from '#participant-agent/data/decide-feature.ts';
import { inferOutcome } from '#participant-agent/data/infer-outcome.ts';
import { isMissingAmongNumbers, isMissingMarker } from '#participant-agent/data/missing-markers.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { isProtectedGround } from '#participant-agent/data/protected-ground.ts';
import { recogniseNotation } from '#participant-agent/data/recognise-notation.ts';
import { tellingPower } from '#participant-agent/data/telling-power.ts';
import { outcomeKey } from '#shared/contract/cell-text.ts';
import { type Concern, type DataContract, dataContract, type Feature } from '#shared/contract/contract.ts';
import { BAD, GOOD, outcomeReader } from '#shared/contract/outcome.ts';
import { type CellReader, cellReader } from '#shared/contract/read-cell.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** The contract's own limits. */
const FEATURES_MAX = 2000;
const NAME_LENGTH_MAX = 128;
const CONTRACT_NAME_LENGTH_MAX = 100;
const MARKERS_MAX = 50;
/** Of a column's filled cells, below which texts that mean "missing" among numbers may mean something else. */
const NUMBER_SHARE_MIN = 0.5;

export interface InferOptions {
  readonly target: string;
  /** As the file spells it; several spellings, also with commas between. */
  readonly bad: string | readonly string[];
  readonly good?: string | readonly string[] | undefined;
  /** Columns that are no features: known only afterwards, personal, protected grounds. */
  readonly exclude?: readonly string[];
  /** Default: the file's name. */
  readonly name?: string;
}

export interface InferredContract {
  readonly contract: DataContract;
  /** Plain sentences: what was read, assumed and left out. */
  readonly notes: string[];
}

/**
 * @throws FederationError DATA_SOURCE when the file cannot be read or has no rows, USAGE when a column named
 *   in the options does not exist, `bad` never occurs or an outcome may be bad or good, CONTRACT when no column is
 *   left as a feature
 */
export async function inferContract(path: string, options: InferOptions): Promise<InferredContract> {
  return await withDataSource(path, async (source) => {
    assertNamed(source, options);
    const outcome = await inferOutcome(source, {
      column: options.target,
      bad: [options.bad].flat(),
      good: options.good === undefined ? undefined : [options.good].flat(),
    });
    const notes = [...outcome.notes];
    const candidates = candidateColumns(source, options, notes);
    const columns = await readColumns(source, candidates, outcome.target);

    const features: Feature[] = [];
    const markers = new Set<string>();
    for (const { name, cells, reading, missing } of columns) {
      const { feature, notes: found } = decideFeature(name, cells, reading);
      notes.push(...found.map((note) => `${name}: ${note}.`));
      if (feature === undefined) continue;
      if (missing.length > 0) {
        for (const text of missing) markers.add(text);
        notes.push(`${name}: ${missing.map((text) => `"${text}"`).join(', ')} read as missing.`);
      }
      const concerns = concernsOf(feature, cells, notes);
      features.push(concerns.length === 0 ? feature : { ...feature, concerns });
    }
    if (features.length === 0) {
      throw new FederationError(
        'CONTRACT',
        `${path}: expected at least one column to learn from, found none: ${notes.slice(1, 6).join(' ')} ` +
          'Name other columns, or write the contract by hand',
      );
    }
    if (features.length > FEATURES_MAX) {
      notes.push(
        `Only the first ${FEATURES_MAX} of ${features.length} features are kept, the limit of a contract.`,
      );
    }
    const fileName = basename(path).replace(/\.(csv|parquet|gz)(\.gz)?$/i, '');
    const parsed = dataContract.safeParse({
      v: 1,
      name: (options.name ?? fileName).slice(0, CONTRACT_NAME_LENGTH_MAX) || 'data',
      target: outcome.target,
      ...(markers.size === 0 ? {} : { missingMarkers: [...markers].sort().slice(0, MARKERS_MAX) }),
      features: features.slice(0, FEATURES_MAX),
    });
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      const place = issue.path.join('.');
      throw new FederationError(
        'USAGE',
        `${path}: no contract can be drawn: ${place}: ${issue.message}; choose shorter names`,
      );
    }
    return { contract: parsed.data, notes };
  });
}

interface ReadColumn {
  readonly name: string;
  readonly cells: ColumnCells;
  readonly reading: Reading;
  /** Texts that were taken as missing. */
  readonly missing: readonly string[];
}

/** Reads the columns plainly, and those whose numbers are written otherwise once more as they are written. */
async function readColumns(
  source: DataSource,
  names: readonly string[],
  target: DataContract['target'],
): Promise<ReadColumn[]> {
  const plain = await gather(source, names, target, () => cellReader(undefined));
  const columns = names.map((name, i): ReadColumn => {
    const cells = plain[i]!;
    const missing = takeMarkers(cells);
    const found = recogniseNotation(cells);
    const reading =
      found.kind === 'unclear'
        ? { unclear: found.why }
        : found.kind === 'notation'
          ? { notation: found.notation }
          : {};
    return { name, cells, reading, missing };
  });
  const written = columns.filter(({ reading }) => reading.notation !== undefined);
  if (written.length === 0) return columns;
  const again = await gather(
    source,
    written.map(({ name }) => name),
    target,
    (i) => cellReader({ ...NUMBER, notation: written[i]!.reading.notation }, written[i]!.missing),
  );
  return columns.map((column) => {
    const at = written.indexOf(column);
    return at < 0 ? column : { ...column, cells: again[at]! };
  });
}

const NUMBER = { name: '-', type: 'number', min: 0, max: 1, scale: 'linear', missing: 'allowed' } as const;

async function gather(
  source: DataSource,
  names: readonly string[],
  target: DataContract['target'],
  readerOf: (index: number) => CellReader,
): Promise<ColumnCells[]> {
  const outcomeOf = outcomeReader(target);
  const columns = names.map((_, i) => new ColumnCells(readerOf(i)));
  for await (const batch of wellFormedBatches(source, [target.column, ...names])) {
    for (const { cells, aside } of batch) {
      if (aside !== undefined) continue;
      const outcome = outcomeOf(outcomeKey(cells[0] ?? ''));
      if (outcome !== BAD && outcome !== GOOD) continue;
      columns.forEach((column, i) => column.add(cells[i + 1] ?? '', outcome));
    }
  }
  return columns;
}

/** @returns the texts that were counted as missing */
function takeMarkers(cells: ColumnCells): string[] {
  const texts = [...cells.texts.keys()];
  const isAlways = texts.filter(isMissingMarker);
  cells.takeAsMissing(isAlways);
  const amongNumbers = [...cells.texts.keys()].filter(isMissingAmongNumbers);
  const marked = amongNumbers.reduce((sum, text) => {
    const [good, bad] = cells.texts.get(text)!;
    return sum + good + bad;
  }, 0);
  const others = cells.textRows - marked;
  // numbers in another notation are texts still
  const numeric = cells.numberRows + digitRows(cells);
  if (amongNumbers.length === 0 || numeric < NUMBER_SHARE_MIN * (cells.numberRows + others)) return isAlways;
  if (cells.numberRows + others === 0) return isAlways;
  cells.takeAsMissing(amongNumbers);
  return [...isAlways, ...amongNumbers];
}

function digitRows(cells: ColumnCells): number {
  let rows = 0;
  for (const [text, [good, bad]] of cells.texts)
    if (/\d/.test(text) && !/\p{L}{4}/u.test(text)) rows += good + bad;
  return rows;
}

/** What whoever agrees on the contract should know of the feature; said in the notes as well. */
function concernsOf(feature: Feature, cells: ColumnCells, notes: string[]): Concern[] {
  const { name } = feature;
  const { informationValue, concern } = tellingPower(feature, cells);
  const value = `information value ${informationValue.toFixed(2)}`;
  if (concern === 'filled-after')
    notes.push(
      `${name}: filled for one outcome and empty for the other; if it is written after the outcome is known, exclude it.`,
    );
  else if (concern === 'separates-outcome')
    notes.push(
      `${name}: tells bad from good nearly alone (${value}); if it is written after the outcome is known, exclude it.`,
    );
  else if (concern === 'strong')
    notes.push(
      `${name}: tells much of the outcome (${value}, above 1); make sure that it is known when a decision is made.`,
    );
  const isProtected = isProtectedGround(name, feature.type === 'category' ? feature.categories : []);
  if (isProtected)
    notes.push(`${name}: may be a protected ground; check whether the law lets it decide on credit.`);
  return [
    ...(concern === undefined ? [] : [concern]),
    ...(isProtected ? (['protected-ground'] as const) : []),
  ];
}

function assertNamed(source: DataSource, { target, exclude = [] }: InferOptions): void {
  for (const [role, name] of [
    ['target', target] as const,
    ...exclude.map((name) => ['exclude', name] as const),
  ]) {
    if (source.columns.includes(name) && name !== '') continue;
    const hint = nearestHint(name, source.columns);
    throw new FederationError(
      'USAGE',
      `${source.path} has no column "${name}"${hint}; ${role} must name one of its columns`,
    );
  }
  if (exclude.includes(target)) {
    throw new FederationError('USAGE', `column "${target}" is the target and also excluded; name it once`);
  }
}

/** Names of the columns that may become features, in file order. */
function candidateColumns(
  source: DataSource,
  { target, exclude = [] }: InferOptions,
  notes: string[],
): string[] {
  const excluded = new Set(exclude);
  if (excluded.size > 0) notes.push(`Left out as you asked: ${[...excluded].join(', ')}.`);
  const seen = new Map<string, number>();
  for (const name of source.columns) seen.set(name, (seen.get(name) ?? 0) + 1);
  return [...seen.keys()].filter((name) => {
    if (name === target || excluded.has(name)) return false;
    if (name === '') notes.push('A column without a name is left out.');
    else if (seen.get(name)! > 1) notes.push(`${name}: left out; ${seen.get(name)} columns have this name.`);
    else if (name.length > NAME_LENGTH_MAX) {
      notes.push(`${name.slice(0, 40)}…: left out; its name is longer than ${NAME_LENGTH_MAX} characters.`);
    } else return true;
    return false;
  });
}
