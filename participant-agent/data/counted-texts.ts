/** Values of a column with their counts, for a person who is to say what they mean. */
import { groupDigits } from '#participant-agent/data/data-report.ts';

const LISTED_MAX = 12;
const TEXT_MAX = 40;

/**
 * `"0" (163 rows), "NA" (60 rows)`, most frequent first.
 * @param many given back when there are more than codes would be: they may be applicants' own
 */
export function countedTexts(rowsOf: ReadonlyMap<string, number>, many: string): string {
  if (rowsOf.size > LISTED_MAX) return many;
  return [...rowsOf]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(
      ([text, rows]) => `"${text.slice(0, TEXT_MAX)}" (${groupDigits(rows)} ${rows === 1 ? 'row' : 'rows'})`,
    )
    .join(', ');
}
