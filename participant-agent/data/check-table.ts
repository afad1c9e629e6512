/**
 * The data check: are a bank's rows fit to train on under the contract? The agent's gate refuses to train on
 * a report with an error; warnings are for a person to read.
 *
 * Fractions of missing cells are of the rows used; fractions of invalid, out-of-range and unknown cells are
 * of the cells present, so that a sparse column in the wrong unit shows as wrong.
 */
import {
  type CategorySummary,
  type DataReport,
  type Finding,
  formatPercent,
  formatQuantity,
  groupDigits,
  type NumberSummary,
} from '#participant-agent/data/data-report.ts';
import { tallyOf } from '#participant-agent/data/feature-tally.ts';
import type { DataContract, Feature, NumberFeature } from '#shared/contract/contract.ts';
import { spellingsOf } from '#shared/contract/outcome.ts';
import { countBads, type Column, isNumberColumn, type Table } from '#shared/contract/table.ts';

/** Fractions are 0 to 1. */
export const DATA_THRESHOLDS = {
  /** Rows. Fewer say nothing about a default rate of a few percent, and one applicant would weigh too much. */
  usableRowsMin: 50,
  /** Above: the column holds something else (another separator, units, codes), not typing errors. */
  invalidNumbersErrorAbove: 0.01,
  /** Above: most likely another unit than the contract's; clipping would flatten the column. */
  outOfRangeErrorAbove: 0.2,
  outOfRangeWarnAbove: 0.01,
  /** Above: most likely another coding than the contract's; the column would be mostly "other". */
  unknownCategoriesErrorAbove: 0.2,
  unknownCategoriesWarnAbove: 0.01,
  /** Above: the model learns from the presence of the value more than from the value. */
  missingWarnAbove: 0.5,
  /** Outside, bad and good are perhaps swapped, or the rows are a selection. */
  badRateWarnBelow: 0.001,
  badRateWarnAbove: 0.6,
} as const;

/** What only the reader of the file knows: a table no longer tells an invalid cell from a missing one. */
export interface Intake {
  readonly rowsRead: number;
  readonly targetMissing: number;
  /** Rows whose outcome is in none of the contract's lists. */
  readonly targetInvalid: number;
  /** Those outcomes with their counts, for the bank's own eyes; '' when there are none, or too many to be outcomes. */
  readonly unlistedOutcomes: string;
  /** Total lines and empty rows, which are not among the rows read. */
  readonly setAside: number;
  /** Per feature, cells of used rows that are not a finite number; 0 for categories. */
  readonly invalidNumbers: readonly number[];
}

/** Pure. `table` follows `contract`, column by column. */
export function checkTable(table: Table, contract: DataContract, intake: Intake): DataReport {
  const badCount = countBads(table);
  const features = table.columns.map((column, i) => summarise(column, intake.invalidNumbers[i]!));
  const findings = [
    ...findInRows(table.rowCount, badCount, contract, intake),
    // Without rows every rule on a column is vacuous.
    ...(table.rowCount === 0
      ? []
      : table.columns.flatMap(({ feature }, i) =>
          findInFeature(feature, features[i]!, table.rowCount, 'trained on'),
        )),
  ];
  findings.sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
  return {
    rowsRead: intake.rowsRead,
    rowsUsed: table.rowCount,
    targetMissing: intake.targetMissing,
    targetInvalid: intake.targetInvalid,
    badCount,
    badRate: table.rowCount === 0 ? 0 : badCount / table.rowCount,
    features,
    findings,
    passed: findings.every((f) => f.severity !== 'error'),
  };
}

function summarise(column: Column, invalid: number): NumberSummary | CategorySummary {
  const tally = tallyOf(column.feature);
  for (const value of isNumberColumn(column) ? column.values : column.codes) tally.add(value);
  return tally.summary(invalid);
}

function findInRows(used: number, bad: number, { target }: DataContract, intake: Intake): Finding[] {
  const limits = DATA_THRESHOLDS;
  const findings: Finding[] = [];
  const { targetMissing, targetInvalid } = intake;
  const bads = spellingsOf(target.bad)
    .map((text) => `"${text}"`)
    .join(' or ');
  if (used < limits.usableRowsMin) {
    findings.push({
      severity: 'error',
      code: 'too-few-rows',
      message: `${used} rows with an outcome; at least ${limits.usableRowsMin} are needed to train`,
    });
  }
  if (used > 0 && (bad === 0 || bad === used)) {
    findings.push({
      severity: 'error',
      code: 'one-class',
      feature: target.column,
      message:
        bad === 0
          ? `no row is bad: none equals ${bads}; check how the file spells the outcome`
          : `every row is bad: all equal ${bads}; good applicants are needed as well`,
    });
  } else if (used > 0 && (bad / used < limits.badRateWarnBelow || bad / used > limits.badRateWarnAbove)) {
    findings.push({
      severity: 'warning',
      code: 'unusual-bad-rate',
      feature: target.column,
      message:
        `${formatPercent(bad / used)} of the rows are bad, expected ${formatPercent(limits.badRateWarnBelow)} to ` +
        `${formatPercent(limits.badRateWarnAbove)}; check that bad and good are not swapped and no rows left out`,
    });
  }
  if (targetInvalid > 0) {
    findings.push({
      severity: 'error',
      code: 'unlisted-outcomes',
      feature: target.column,
      message:
        `${groupDigits(targetInvalid)} of ${groupDigits(intake.rowsRead)} rows have an outcome that the contract does ` +
        'not name; agree on a contract that lists every value under bad, good or missing, or correct the file',
      ...(intake.unlistedOutcomes === '' ? {} : { detail: intake.unlistedOutcomes }),
    });
  }
  if (targetMissing > 0) {
    findings.push({
      severity: 'warning',
      code: 'dropped-rows',
      feature: target.column,
      message: `${groupDigits(targetMissing)} of ${groupDigits(intake.rowsRead)} rows are not used: they have no outcome`,
    });
  }
  if (intake.setAside > 0) {
    findings.push({
      severity: 'warning',
      code: 'set-aside',
      message: `${groupDigits(intake.setAside)} lines are no applicants and are not used: total lines, or rows without any value`,
    });
  }
  return findings;
}

/** @param use what becomes of the rows, for the messages */
export function findInFeature(
  feature: Feature,
  summary: NumberSummary | CategorySummary,
  rowsUsed: number,
  use: 'trained on' | 'scored',
): Finding[] {
  const limits = DATA_THRESHOLDS;
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], code: Finding['code'], message: string): void => {
    findings.push({ severity, code, feature: feature.name, message });
  };

  const filled = rowsUsed - summary.missing;
  if (filled === 0) {
    const todo = use === 'scored' ? 'fill it' : 'fill it, or agree on a contract without it';
    add('error', 'all-missing', `the column is empty; ${todo}`);
    return findings;
  }
  const invalid = summary.type === 'number' ? summary.invalid : 0;
  if (feature.missing === 'refused' && summary.missing + invalid > 0) {
    const cells = share(summary.missing + invalid, rowsUsed);
    add(
      'error',
      'missing-refused',
      `${cells} have no usable value, and the contract refuses missing values here`,
    );
  } else if (summary.missingFraction > limits.missingWarnAbove) {
    add('warning', 'mostly-missing', `${share(summary.missing, rowsUsed)} are missing`);
  }
  if (invalid > 0) {
    const severity = invalid / filled > limits.invalidNumbersErrorAbove ? 'error' : 'warning';
    const todo = 'use a decimal point, no thousands separators and no units';
    add(severity, 'invalid-numbers', `${share(invalid, filled)} are not a number; ${todo}`);
  }
  if (summary.type === 'number') {
    const outside = summary.belowMin + summary.aboveMax;
    const severity = severityOf(outside / filled, limits.outOfRangeWarnAbove, limits.outOfRangeErrorAbove);
    if (severity !== undefined)
      add(severity, 'out-of-range', outOfRange(feature as NumberFeature, summary, filled));
  } else {
    const severity = severityOf(
      summary.unknown / filled,
      limits.unknownCategoriesWarnAbove,
      limits.unknownCategoriesErrorAbove,
    );
    const todo = `they are ${use} as "other"; check the coding`;
    if (severity !== undefined) {
      add(
        severity,
        'unknown-categories',
        `${share(summary.unknown, filled)} are of no category of the contract; ${todo}`,
      );
    }
  }
  if (summary.constant && use === 'trained on')
    add('warning', 'constant', 'every row has the same value, which tells the model nothing here');
  return findings;
}

function outOfRange(feature: NumberFeature, summary: NumberSummary, filled: number): string {
  const { belowMin, aboveMax } = summary;
  const unit = feature.unit === undefined ? '' : ` ${feature.unit}`;
  return (
    `${share(belowMin + aboveMax, filled)} lie outside [${formatQuantity(feature.min)}, ` +
    `${formatQuantity(feature.max)}]${unit} (${groupDigits(belowMin)} below, ${groupDigits(aboveMax)} above) and are ` +
    'clipped to it; check the unit'
  );
}

function severityOf(part: number, warnAbove: number, errorAbove: number): Finding['severity'] | undefined {
  return part > errorAbove ? 'error' : part > warnAbove ? 'warning' : undefined;
}

/** `1,240 of 30,000 cells (4.1 %)` */
function share(cells: number, of: number): string {
  return `${groupDigits(cells)} of ${groupDigits(of)} cells (${formatPercent(cells / of)})`;
}
