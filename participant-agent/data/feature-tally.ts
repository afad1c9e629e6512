/** What the cells of one feature are, counted one by one: the figures of the data check, in training and in scoring. */
import type { CategorySummary, NumberSummary } from '#participant-agent/data/data-report.ts';
import type { CategoryFeature, Feature, NumberFeature } from '#shared/contract/contract.ts';

export interface FeatureTally {
  /** @param value a number (NaN missing), or a category's code (0 missing) */
  add(value: number): void;
  /** @param invalid cells that were counted as missing and are not: they are filled with something else */
  summary(invalid: number): NumberSummary | CategorySummary;
}

export function tallyOf(feature: Feature): FeatureTally {
  return feature.type === 'number' ? new NumberTally(feature) : new CategoryTally(feature);
}

class NumberTally implements FeatureTally {
  private readonly feature: NumberFeature;
  private readonly isSpecial: ReadonlySet<number>;
  private rows = 0;
  private present = 0;
  /** Of the present ones, those that are no special value; the figures below are of these. */
  private ordinary = 0;
  private belowMin = 0;
  private aboveMax = 0;
  private mean = 0;
  private lowest = Infinity;
  private highest = -Infinity;

  constructor(feature: NumberFeature) {
    this.feature = feature;
    this.isSpecial = new Set(feature.special);
  }

  add(value: number): void {
    this.rows++;
    if (Number.isNaN(value)) return;
    this.present++;
    if (this.isSpecial.has(value)) return;
    this.ordinary++;
    // so that values near the largest double do not overflow a sum
    this.mean += value / this.ordinary - this.mean / this.ordinary;
    if (value < this.lowest) this.lowest = value;
    if (value > this.highest) this.highest = value;
    if (value < this.feature.min) this.belowMin++;
    else if (value > this.feature.max) this.aboveMax++;
  }

  summary(invalid: number): NumberSummary {
    const { rows, present, ordinary, lowest, highest } = this;
    const missing = rows - present - invalid;
    return {
      type: 'number',
      name: this.feature.name,
      missing,
      missingFraction: rows === 0 ? 0 : missing / rows,
      constant: ordinary > 0 && ordinary === rows && lowest === highest,
      invalid,
      special: present - ordinary,
      belowMin: this.belowMin,
      aboveMax: this.aboveMax,
      observedMin: ordinary === 0 ? null : lowest,
      observedMax: ordinary === 0 ? null : highest,
      mean: ordinary === 0 ? null : Math.min(highest, Math.max(lowest, this.mean)),
    };
  }
}

class CategoryTally implements FeatureTally {
  private readonly feature: CategoryFeature;
  private readonly cellsOf: Float64Array;
  private rows = 0;

  constructor(feature: CategoryFeature) {
    this.feature = feature;
    this.cellsOf = new Float64Array(feature.categories.length + 2);
  }

  add(code: number): void {
    this.rows++;
    this.cellsOf[code]!++;
  }

  summary(): CategorySummary {
    const missing = this.cellsOf[0]!;
    return {
      type: 'category',
      name: this.feature.name,
      missing,
      missingFraction: this.rows === 0 ? 0 : missing / this.rows,
      // "Other" may be many values, but the model sees one.
      constant: missing === 0 && this.rows > 0 && this.cellsOf.includes(this.rows),
      unknown: this.cellsOf.at(-1)!,
    };
  }
}
