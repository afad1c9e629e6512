/**
 * The cells of one column, gathered for a draft of a contract, apart for good and for bad rows: numbers as numbers,
 * everything else by text.
 */
import { GrowingNumbers } from '#participant-agent/data/growing-numbers.ts';
import { canonicalValue, trimBlanks } from '#shared/contract/cell-text.ts';
import { type CellReader, INVALID } from '#shared/contract/read-cell.ts';

/** Rows with a good and with a bad outcome. */
export type ByOutcome = [good: number, bad: number];

/** Different spellings of numbers kept; a column of codes has fewer. */
const NUMBER_TEXTS_MAX = 500;
const GROUPED = /^[+-]?[1-9]\d{0,2}(\.\d{3})+$/;

export class ColumnCells {
  readonly missing: ByOutcome = [0, 0];
  readonly numbers: readonly [GrowingNumbers, GrowingNumbers] = [new GrowingNumbers(), new GrowingNumbers()];
  /** Filled cells that are no number. */
  readonly texts = new Map<string, ByOutcome>();
  /** Cells that are a number, by text ("01" is not "1"); undefined when there are too many to be codes. */
  numberTexts: Map<string, ByOutcome> | undefined = new Map();
  /** Cells that are a number with a point in it, and those of them whose digits stand in threes behind it. */
  dotted = 0;
  grouped = 0;
  private readonly read: CellReader;

  /** @param read what the contract will read the column with, as a number */
  constructor(read: CellReader) {
    this.read = read;
  }

  add(cell: string, outcome: 0 | 1): void {
    const value = this.read(cell);
    if (Number.isNaN(value)) this.missing[outcome]++;
    else if (value === INVALID) count(this.texts, canonicalValue(cell), outcome, 1);
    else {
      this.numbers[outcome].push(value);
      if (cell.includes('.')) {
        this.dotted++;
        if (GROUPED.test(trimBlanks(cell))) this.grouped++;
      }
      if (this.numberTexts === undefined) return;
      count(this.numberTexts, canonicalValue(cell), outcome, 1);
      if (this.numberTexts.size > NUMBER_TEXTS_MAX) this.numberTexts = undefined;
    }
  }

  /** Counts the cells of these texts as missing. */
  takeAsMissing(texts: Iterable<string>): void {
    for (const text of texts) {
      const rows = this.texts.get(text);
      if (rows === undefined) continue;
      this.missing[0] += rows[0];
      this.missing[1] += rows[1];
      this.texts.delete(text);
    }
  }

  get textRows(): number {
    let sum = 0;
    for (const rows of this.texts.values()) sum += rows[0] + rows[1];
    return sum;
  }

  get numberRows(): number {
    return this.numbers[0].length + this.numbers[1].length;
  }

  /** Of both outcomes, ascending. */
  sortedNumbers(): Float64Array {
    const all = new Float64Array(this.numberRows);
    all.set(this.numbers[0].values());
    all.set(this.numbers[1].values(), this.numbers[0].length);
    return all.sort();
  }

  /** The texts that at least `rowsMin` rows share, most frequent first, then in code-unit order. */
  frequentTexts(rowsMin: number): { text: string; rows: number }[] {
    return [...this.texts, ...(this.numberTexts ?? [])]
      .map(([text, [good, bad]]) => ({ text, rows: good + bad }))
      .filter(({ rows }) => rows >= rowsMin)
      .sort((a, b) => b.rows - a.rows || (a.text < b.text ? -1 : 1));
  }
}

function count(rows: Map<string, ByOutcome>, text: string, outcome: 0 | 1, by: number): void {
  const counts = rows.get(text);
  if (counts === undefined) rows.set(text, outcome === 0 ? [by, 0] : [0, by]);
  else counts[outcome] += by;
}
