/**
 * A first draft of a data contract from one bank's file, for a person to correct: which columns are numbers
 * and in what range, which are categories and of what levels, which are not features at all.
 *
 * A draft is this bank's view. Its ranges and levels come from its rows (widened to two digits; levels of
 * two rows at least), so it is read and agreed on before it leaves the bank. It cannot tell a column that was
 * written after the outcome was known; such columns must be named in `exclude`.
 */
import { basename } from 'node:path';
import { trimmedText } from '#participant-agent/data/cell-sql.ts';
import { formatPercent, groupDigits } from '#participant-agent/data/data-report.ts';
import { type DataSource, withDataSource } from '#participant-agent/data/data-source.ts';
import { decideFeature } from '#participant-agent/data/decide-feature.ts';
import { outcomeSql } from '#participant-agent/data/load-table.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { frequentTexts, profileColumn } from '#participant-agent/data/profile-column.ts';
import { type DataContract, dataContract, type Feature } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** The contract's own limits. */
const FEATURES_MAX = 2000;
const NAME_LENGTH_MAX = 128;
const CONTRACT_NAME_LENGTH_MAX = 100;

/** A level is kept when this share of the rows has it: fewer teach the model nothing and may single out applicants. */
const LEVEL_SHARE_MIN = 0.005;
const LEVEL_ROWS_MIN = 2;

/** Outcome values listed in an error, when there are not more. */
const OUTCOMES_LISTED_MAX = 8;

/** Names that hint at age, sex, family, origin or belief. */
const PROTECTED_NAME =
  /(^|[^a-z])(age|sex|gender|race|religion)([^a-z]|$)|marital|marriage|ethnic|national(ity|_origin)|foreign|性别|年龄|民族|婚姻|宗教|国籍/i;

export interface InferOptions {
  readonly target: string;
  readonly bad: string;
  readonly good?: string;
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
 *   in the options does not exist or `bad` never occurs, CONTRACT when no column is left as a feature
 */
export async function inferContract(path: string, options: InferOptions): Promise<InferredContract> {
  return await withDataSource(path, async (source) => {
    assertNamed(source, options);
    const notes: string[] = [];
    const candidates = candidateColumns(source, options, notes);
    const target = {
      column: options.target,
      bad: options.bad,
      ...(options.good === undefined ? {} : { good: options.good }),
    };

    const cells = candidates.map((name, i) => `${trimmedText(source.cell(name))} AS f${i}`);
    const outcome = `${outcomeSql(source.cell(target.column), target)} AS outcome`;
    const label = `${trimmedText(source.cell(target.column))} AS label`;
    await source.run(
      `CREATE TABLE cells AS SELECT ${[outcome, label, ...cells].join(', ')} FROM ${source.relation}`,
    );
    notes.unshift(...(await describeOutcomes(source, target)));

    const features: Feature[] = [];
    for (const [i, name] of candidates.entries()) {
      const used = '(FROM cells WHERE outcome < 2)';
      const profile = await profileColumn(source, used, `f${i}`);
      const rowsMin = Math.max(LEVEL_ROWS_MIN, Math.ceil(LEVEL_SHARE_MIN * profile.rows));
      const decision = await decideFeature(name, profile, () =>
        frequentTexts(source, used, `f${i}`, rowsMin),
      );
      notes.push(...decision.notes.map((note) => `${name}: ${note}.`));
      if (decision.feature === undefined) continue;
      features.push(decision.feature);
      if (PROTECTED_NAME.test(name)) {
        notes.push(`${name}: may be a protected ground; check whether the law lets it decide on credit.`);
      }
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
    const name = (options.name ?? fileName).slice(0, CONTRACT_NAME_LENGTH_MAX) || 'data';
    const parsed = dataContract.safeParse({ v: 1, name, target, features: features.slice(0, FEATURES_MAX) });
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

/** Counts the outcomes. @throws FederationError DATA_SOURCE without rows, USAGE when none is bad or none good */
async function describeOutcomes(source: DataSource, target: DataContract['target']): Promise<string[]> {
  const counts = await source.run(
    'SELECT count(*)::DOUBLE, (count(*) FILTER (outcome = 1))::DOUBLE, (count(*) FILTER (outcome = 0))::DOUBLE, ' +
      '(count(*) FILTER (outcome = 2))::DOUBLE FROM cells',
  );
  const [rows, bad, good, invalid] = counts[0]!.getRowValues(0) as [number, number, number, number];
  if (rows === 0) {
    throw new FederationError(
      'DATA_SOURCE',
      `${source.path}: expected rows below the header, found none; export it again`,
    );
  }
  if (bad === 0 || good === 0) {
    const expected =
      bad === 0
        ? `"${target.bad}" in some rows`
        : target.good === undefined
          ? `something else than "${target.bad}" in some rows`
          : `"${target.good}" in some rows`;
    const found = await listOutcomes(source);
    throw new FederationError(
      'USAGE',
      `${source.path}: expected ${expected} of column "${target.column}", found ${found}; name the bad and good outcome as the file spells them`,
    );
  }
  const meaning =
    target.good === undefined
      ? `${target.column} = "${target.bad}" is bad, everything else is good`
      : `${target.column} = "${target.bad}" is bad, "${target.good}" is good`;
  const notes = [
    `${groupDigits(rows)} rows read, ${groupDigits(bad)} of ${groupDigits(bad + good)} with an outcome are bad (${formatPercent(bad / (bad + good))}): ${meaning}.`,
  ];
  const missing = rows - bad - good - invalid;
  if (missing > 0) notes.push(`${groupDigits(missing)} rows have no outcome and were not looked at.`);
  if (invalid > 0) {
    notes.push(`${groupDigits(invalid)} rows are neither bad nor good and were not looked at.`);
  }
  return notes;
}

/** The spellings of the outcome, which the user is about to type; only when they are few, as codes are. */
async function listOutcomes(source: DataSource): Promise<string> {
  const chunks = await source.run(
    `SELECT DISTINCT left(label, 40) FROM cells WHERE label IS NOT NULL ORDER BY 1 LIMIT ${OUTCOMES_LISTED_MAX + 1}`,
  );
  const labels = chunks.flatMap((chunk) => chunk.getRows()).map(([label]) => `"${String(label)}"`);
  if (labels.length === 0) return 'only empty cells';
  return labels.length > OUTCOMES_LISTED_MAX ? 'many other values' : labels.join(', ');
}
