/** Splitting one table into banks: by a column, evenly, or skewed by class. All from a seed. */
import type { DataContract } from '#shared/contract/contract.ts';
import { spellingsOf } from '#shared/contract/outcome.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export interface Partition {
  readonly id: string;
  readonly rows: Uint32Array;
}

/** Fewer rows, or one class only, and a bank's own data check would refuse to train. */
const ROWS_MIN = 50;
const DRAWS_MAX = 1000;

/** A stratified split: the same bad rate on both sides. Row order is kept. */
export function splitTest(
  bad: Uint8Array,
  fraction: number,
  seed: string,
): { training: Uint32Array; test: Uint32Array } {
  const isTest = new Uint8Array(bad.length);
  for (const value of [0, 1]) {
    const rows = rowsWhere(bad.length, (i) => bad[i] === value);
    const shuffled = new SeededGenerator('test-split', seed, value).shuffle(rows);
    for (const row of shuffled.subarray(0, Math.round(rows.length * fraction))) isTest[row] = 1;
  }
  return {
    training: rowsWhere(bad.length, (i) => isTest[i] === 0),
    test: rowsWhere(bad.length, (i) => isTest[i] === 1),
  };
}

/** The `banks` largest groups of a column become banks; all other rows join the last one. */
export function partitionByColumn(
  values: readonly (string | null)[],
  rows: Uint32Array,
  banks: number,
): Partition[] {
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const value = values[row] ?? '';
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [row]);
    else group.push(row);
  }
  const largest = [...groups]
    .sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1))
    .slice(0, banks);
  if (largest.length < banks) {
    throw new FederationError(
      'USAGE',
      `the column has ${largest.length} groups, fewer than the ${banks} banks asked for`,
    );
  }
  const bankOf = new Map(largest.map(([value], index) => [value, index]));
  const members: number[][] = largest.map(() => []);
  for (const row of rows) members[bankOf.get(values[row] ?? '') ?? banks - 1]!.push(row);
  return members.map((member, index) => ({ id: bankId(index), rows: Uint32Array.from(member) }));
}

/** Rows dealt out at random, equally many to each bank. */
export function partitionEvenly(rows: Uint32Array, banks: number, seed: string): Partition[] {
  const shuffled = new SeededGenerator('even-partition', seed).shuffle(rows.slice());
  return Array.from({ length: banks }, (_, index) => ({
    id: bankId(index),
    rows: shuffled.filter((_row, position) => position % banks === index).sort(),
  }));
}

/**
 * Label skew: the rows of each class are cut by proportions drawn from a Dirichlet distribution (Hsu et al.
 * 2019); drawn again until every bank can train. Small alpha, strong skew.
 */
export function partitionByDirichlet(
  bad: Uint8Array,
  rows: Uint32Array,
  banks: number,
  alpha: number,
  seed: string,
): Partition[] {
  const generator = new SeededGenerator('dirichlet-partition', seed);
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const members: number[][] = Array.from({ length: banks }, () => []);
    for (const value of [0, 1]) {
      const shuffled = generator.shuffle(rows.filter((row) => bad[row] === value));
      const shares = Array.from({ length: banks }, () => gamma(alpha, generator));
      const total = shares.reduce((a, b) => a + b, 0);
      let start = 0;
      let cumulated = 0;
      shares.forEach((share, index) => {
        cumulated += share / total;
        const end = index === banks - 1 ? shuffled.length : Math.round(cumulated * shuffled.length);
        for (const row of shuffled.subarray(start, end)) members[index]!.push(row);
        start = end;
      });
    }
    const usable = members.every((member) => {
      const bads = member.filter((row) => bad[row] === 1).length;
      return member.length >= ROWS_MIN && bads >= 2 && member.length - bads >= 2;
    });
    if (usable)
      return members.map((member, index) => ({ id: bankId(index), rows: Uint32Array.from(member).sort() }));
  }
  throw new FederationError(
    'USAGE',
    `no split into ${banks} banks of at least ${ROWS_MIN} rows with both outcomes was found; use fewer banks or a larger alpha`,
  );
}

/** Marsaglia and Tsang (2000); for shape below 1 boosted by U^(1/shape). */
function gamma(shape: number, generator: SeededGenerator): number {
  if (shape < 1) return gamma(shape + 1, generator) * (1 - generator.nextUnit()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x =
      Math.sqrt(-2 * Math.log(1 - generator.nextUnit())) * Math.cos(2 * Math.PI * generator.nextUnit());
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - generator.nextUnit()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

function bankId(index: number): string {
  return `bank-${String(index + 1).padStart(2, '0')}`;
}

function rowsWhere(count: number, keep: (row: number) => boolean): Uint32Array {
  const rows: number[] = [];
  for (let row = 0; row < count; row++) if (keep(row)) rows.push(row);
  return Uint32Array.from(rows);
}

/** A table as CSV that reads back as the same table under the same contract. */
export function tableCsv(table: Table, target: DataContract['target']): string {
  const quote = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const [bad] = spellingsOf(target.bad);
  const [good] =
    target.good === undefined ? [bad === 'good' ? 'not good' : 'good'] : spellingsOf(target.good);
  const lines = [[...table.columns.map((column) => column.feature.name), target.column].map(quote).join(',')];
  for (let row = 0; row < table.rowCount; row++) {
    const cells = table.columns.map((column) => {
      if (isNumberColumn(column)) {
        const value = column.values[row]!;
        return Number.isNaN(value) ? '' : String(value);
      }
      const code = column.codes[row]!;
      return code === 0 ? '' : quote(column.feature.categories[code - 1] ?? '(other)');
    });
    lines.push([...cells, quote(table.bad[row] === 1 ? bad! : good!)].join(','));
  }
  return `${lines.join('\n')}\n`;
}
