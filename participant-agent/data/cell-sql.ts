/**
 * Cells as SQL expressions: what counts as missing, as a number and as the same text, in one place for
 * loading and for inference.
 *
 * A cell is trimmed of blanks at both ends (exports from fixed-width systems pad); what is left empty is
 * missing. Everything else is an ordinary value: "NA", "NULL" and "none" are texts like any other.
 */

/** Space, tab, line ends, no-break space, ideographic space. */
const BLANKS = ' \t\r\n\u00a0\u3000';

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

/**
 * A whole number written as a decimal ("2.0", as pandas writes integer columns that have gaps) reads as the
 * whole number. Leading zeros stay: "01" is a code.
 */
export function canonicalText(cell: string): string {
  return `regexp_replace(${trimmedText(cell)}, '^(-?[0-9]+)\\.0+$', '\\1')`;
}

/** `trimmedText` in TypeScript. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANKS.includes(text[start]!)) start++;
  while (end > start && BLANKS.includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** `canonicalText` in TypeScript. */
export function canonicalValue(text: string): string {
  return trimBlanks(text).replace(/^(-?[0-9]+)\.0+$/, '$1');
}
