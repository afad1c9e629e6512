/**
 * Cells as SQL expressions: what counts as missing, as a number and as the same text, in one place for
 * loading and for inference. The rules are those of `shared/contract/cell-text.ts`, said in SQL.
 */
import { BLANKS } from '#shared/contract/cell-text.ts';

/** A SQL text literal. A zero byte would end the statement, so it is joined in. */
export function sqlText(text: string): string {
  const literals = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return literals.length === 1 ? literals[0]! : `(${literals.join(' || chr(0) || ')})`;
}

/** The trimmed text of a VARCHAR expression, NULL where missing. */
export function trimmedText(cell: string): string {
  return `nullif(trim(${cell}, ${sqlText(BLANKS)}), '')`;
}

/**
 * A VARCHAR expression as DOUBLE: NULL where missing, NaN or infinite where the text is not a finite number.
 * No thousands separators, decimal commas, units or digit-group underscores (which DuckDB would take).
 */
export function finiteNumber(cell: string): string {
  // The direct cast serves nearly every cell; trimming each one first makes a load a third slower.
  const trimmed = `trim(${cell}, ${sqlText(BLANKS)})`;
  const number =
    `coalesce(TRY_CAST(${cell} AS DOUBLE), ` +
    `CASE WHEN ${trimmed} <> '' THEN coalesce(TRY_CAST(${trimmed} AS DOUBLE), 'nan'::DOUBLE) END)`;
  return `CASE WHEN contains(${cell}, '_') THEN 'nan'::DOUBLE ELSE ${number} END`;
}

/** `canonicalValue` as SQL. */
export function canonicalText(cell: string): string {
  return `regexp_replace(${trimmedText(cell)}, '^(-?[0-9]+)\\.0+$', '\\1')`;
}
