/** Lines that exports put below the rows: totals, counts, "end of report". */

/** The whole of a cell, in English, German and Chinese. */
const CLOSING =
  /^(grand |sub-?)?totals?\b.{0,40}$|^(sum|count|average|mean|summe|gesamt(summe)?|zwischensumme|anzahl|mittelwert)\s*[:=]?\s*[\d.,' ]*$|^[(*#=\- ]*(end of (file|report|data)|eof|(\d[\d.,' ]*|no) (rows?|records?|lines?|zeilen|datensätze)\b.{0,30}|(rows?|records?|zeilen) ?(count|selected|affected|total)?\s*[:=]\s*\d[\d.,' ]*)[)*#=\-. ]*$|^(合计|总计|小计|共计|总和|平均|合計|總計|小計)/i;

/**
 * Whether a record says of the rows above what no applicant is: its first filled cell is a closing word and most
 * others are empty, or it is the only cell there is.
 */
export function isTotalLine(cells: readonly string[], width: number): boolean {
  let filled = 0;
  let first = '';
  for (const cell of cells) {
    if (cell === '') continue;
    const text = cell.trim();
    if (text === '') continue;
    if (filled === 0) {
      if (text.length > 60 || !CLOSING.test(text)) return false;
      first = text;
    }
    filled++;
  }
  return first !== '' && width > 1 && filled <= Math.max(1, width / 2);
}
