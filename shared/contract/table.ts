/**
 * A bank's rows in the form all arithmetic uses: one typed array per contract feature, in contract order.
 * Lives in memory inside a bank only.
 */
import type { CategoryFeature, NumberFeature } from '#shared/contract/contract.ts';

/** `values[i]` is row i in the contract's unit, NaN where missing; not yet clipped to [min, max]. */
export interface NumberColumn {
  readonly feature: NumberFeature;
  readonly values: Float64Array;
}

/** `codes[i]`: 0 = missing, 1..k = index into `feature.categories` plus one, k+1 = a value outside them. */
export interface CategoryColumn {
  readonly feature: CategoryFeature;
  readonly codes: Uint16Array;
}

export type Column = NumberColumn | CategoryColumn;

export interface Table {
  readonly rowCount: number;
  readonly columns: readonly Column[];
  /** 1 where the applicant turned out bad, else 0. */
  readonly bad: Uint8Array;
  /** Of a table put together from several banks': how many rows are whose, in the order they come in. */
  readonly bankRows?: readonly number[];
}

export function isNumberColumn(column: Column): column is NumberColumn {
  return column.feature.type === 'number';
}

/** Rows that turned out bad. */
export function countBads({ bad }: Pick<Table, 'bad'>): number {
  let count = 0;
  for (const one of bad) count += one;
  return count;
}

/** Share of the rows that turned out bad; NaN without rows. */
export function badRateOf(table: Table): number {
  return countBads(table) / table.rowCount;
}

/** Fills `row` with the cells of row `index`, a slot a column: numbers as they are, categories by code. */
export function rowAt(table: Table, index: number, row: Float64Array): Float64Array {
  table.columns.forEach((column, j) => {
    row[j] = isNumberColumn(column) ? column.values[index]! : column.codes[index]!;
  });
  return row;
}

/** The rows at `indices`, in that order; whose they are is no longer known. */
export function selectRows(table: Table, indices: Uint32Array): Table {
  return {
    rowCount: indices.length,
    bad: gather(table.bad, indices, new Uint8Array(indices.length)),
    columns: table.columns.map((column) =>
      isNumberColumn(column)
        ? {
            feature: column.feature,
            values: gather(column.values, indices, new Float64Array(indices.length)),
          }
        : { feature: column.feature, codes: gather(column.codes, indices, new Uint16Array(indices.length)) },
    ),
  };
}

/** A plain loop: `from` with a function takes ten times as long. */
function gather<Values extends Uint8Array | Uint16Array | Float64Array>(
  values: Values,
  indices: Uint32Array,
  into: Values,
): Values {
  for (let i = 0; i < indices.length; i++) into[i] = values[indices[i]!]!;
  return into;
}

/** All rows of `tables`, one after the other, and which are whose. All must follow the same contract. */
export function concatTables(tables: readonly Table[]): Table {
  const rowCount = tables.reduce((sum, t) => sum + t.rowCount, 0);
  const first = tables[0];
  if (first === undefined) throw new RangeError('concatTables needs at least one table');
  const bad = new Uint8Array(rowCount);
  const columns: Column[] = first.columns.map((column) =>
    isNumberColumn(column)
      ? { feature: column.feature, values: new Float64Array(rowCount) }
      : { feature: column.feature, codes: new Uint16Array(rowCount) },
  );
  let offset = 0;
  for (const table of tables) {
    bad.set(table.bad, offset);
    columns.forEach((target, j) => {
      const source = table.columns[j]!;
      if (isNumberColumn(target) && isNumberColumn(source)) target.values.set(source.values, offset);
      else if (!isNumberColumn(target) && !isNumberColumn(source)) target.codes.set(source.codes, offset);
      else throw new TypeError(`column ${j} differs in type between tables`);
    });
    offset += table.rowCount;
  }
  return { rowCount, columns, bad, bankRows: tables.flatMap((t) => t.bankRows ?? [t.rowCount]) };
}
