/**
 * What a bank's rows look like against the contract: the shape of the data check's result, and its text for
 * a risk analyst. The rules are in `check-table.ts`.
 *
 * The report stays inside the bank: lowest and highest values are single applicants' values.
 */
import { z } from 'zod';
import { alignColumns, type TextColumn, wrapText } from '#participant-agent/data/text-columns.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

const count = z.int().min(0);
const fraction = z.number().min(0).max(1);
const summaryBase = { name: z.string(), missing: count, missingFraction: fraction, constant: z.boolean() };

const numberSummary = z.strictObject({
  type: z.literal('number'),
  ...summaryBase,
  /** Cells that are neither empty nor a finite number; trained on as missing. */
  invalid: count,
  /** Cells with a special value; the figures below are of the others. */
  special: count,
  belowMin: count,
  aboveMax: count,
  /** In the contract's unit, before clipping; null when no cell holds a number. */
  observedMin: z.number().nullable(),
  observedMax: z.number().nullable(),
  mean: z.number().nullable(),
});

const categorySummary = z.strictObject({
  type: z.literal('category'),
  ...summaryBase,
  /** Cells outside the contract's categories; trained on as "other". */
  unknown: count,
});

const finding = z.strictObject({
  severity: z.enum(['error', 'warning']),
  code: z.enum([
    'too-few-rows',
    'one-class',
    'unusual-bad-rate',
    'dropped-rows',
    'unlisted-outcomes',
    'set-aside',
    'invalid-numbers',
    'missing-refused',
    'all-missing',
    'mostly-missing',
    'out-of-range',
    'unknown-categories',
    'constant',
    'shifted',
  ]),
  feature: z.string().optional(),
  message: z.string(),
  /** What the file holds, for the bank's own eyes: messages may leave the bank as the reason of a refusal. */
  detail: z.string().optional(),
});

export const dataReport = z.strictObject({
  rowsRead: count,
  rowsUsed: count,
  /** Dropped because the outcome is not known, and because the contract does not list it. */
  targetMissing: count,
  targetInvalid: count,
  badCount: count,
  /** Of the rows used; 0 when there are none. */
  badRate: fraction,
  features: z.array(z.discriminatedUnion('type', [numberSummary, categorySummary])),
  /** Errors first. */
  findings: z.array(finding),
  /** No finding is an error. */
  passed: z.boolean(),
});

export type DataReport = z.infer<typeof dataReport>;
export type Finding = z.infer<typeof finding>;
export type NumberSummary = z.infer<typeof numberSummary>;
export type CategorySummary = z.infer<typeof categorySummary>;

/** Terminal cells. */
const REPORT_WIDTH = 100;

const FEATURE_COLUMNS: readonly TextColumn[] = [
  { title: 'feature', align: 'left', widthMax: 30 },
  { title: 'type', align: 'left', widthMax: 8 },
  { title: 'missing', align: 'right', widthMax: 8 },
  { title: 'invalid', align: 'right', widthMax: 9 },
  { title: 'outside', align: 'right', widthMax: 9 },
  { title: 'lowest', align: 'right', widthMax: 12 },
  { title: 'highest', align: 'right', widthMax: 12 },
  { title: 'mean', align: 'right', widthMax: 12 },
];

/** A text of at most 110 columns: verdict, findings (errors first), then one line a feature. */
export function renderDataReport(report: DataReport): string {
  const errors = report.findings.filter((f) => f.severity === 'error').length;
  const warnings = report.findings.length - errors;
  const verdict = `Data check ${report.passed ? 'passed' : 'REFUSED'}: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
  const rows =
    `${groupDigits(report.rowsRead)} rows read, ${groupDigits(report.rowsUsed)} used, ` +
    `${groupDigits(report.badCount)} bad (${formatPercent(report.badRate)})`;
  const findings = report.findings.flatMap(renderFinding);
  const features = alignColumns(FEATURE_COLUMNS, report.features.map(featureCells));
  const legend = [
    'missing: of the rows used. invalid: cells that are not a number.',
    'outside: cells beyond the agreed range (special values are not), or of no agreed category.',
  ];
  const parts = [[verdict, rows], findings, [...features, '', ...legend]];
  return `${parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n')}\n`;
}

function renderFinding({ severity, feature, message, detail }: Finding): string[] {
  const found = detail === undefined ? message : `${message}; found ${detail}`;
  const text = inert(feature === undefined ? found : `${feature}: ${found}`);
  const lines = wrapText(text, REPORT_WIDTH - 9);
  return lines.map((line, i) => (i === 0 ? severity : '').padEnd(9) + line);
}

function featureCells(f: NumberSummary | CategorySummary): string[] {
  const name = inert(f.name);
  const missing = f.missing === 0 ? '-' : formatPercent(f.missingFraction);
  const dashed = (cells: number): string => (cells === 0 ? '-' : groupDigits(cells));
  if (f.type === 'category') return [name, f.type, missing, '', dashed(f.unknown)];
  const observed = [f.observedMin, f.observedMax, f.mean].map((x) => (x === null ? '' : formatQuantity(x)));
  return [name, f.type, missing, dashed(f.invalid), dashed(f.belowMin + f.aboveMax), ...observed];
}

/** `0.0314` as `3.1 %`; what is not nothing never reads as `0 %`. */
export function formatPercent(fractionOfOne: number): string {
  const percent = fractionOfOne * 100;
  if (percent > 0 && percent < 0.01) return '< 0.01 %';
  return `${percent >= 1 ? percent.toFixed(1) : String(Number(percent.toFixed(2)))} %`;
}

/** Four significant digits, or all digits before the point up to 10 million. */
export function formatQuantity(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(3).replace('e+', 'e');
  if (size >= 1000) return groupDigits(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

/** `1234567` as `1,234,567`. */
export function groupDigits(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

function plural(items: number, noun: string): string {
  return `${items} ${noun}${items === 1 ? '' : 's'}`;
}
