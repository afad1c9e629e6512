/**
 * Numbers in another unit than the model was made with stay within a wide range, but not where the training rows
 * were. An artefact says where: its bins held about equally many of them, or it has their mean and deviation. Only
 * what no selection of applicants explains is reported: an ordinary drift is for the stability index.
 */
import type { ModelArtefact } from '#models/artefact.ts';
import { binOf } from '#models/preprocessing/bins.ts';
import { unitScaler } from '#models/preprocessing/unit-range.ts';
import type { NumberFeature } from '#shared/contract/contract.ts';

/** Fewer rows, or fewer different values among them, may be a selection. */
const ROWS_MIN = 50;
const DISTINCT_MIN = 10;
/** Of bins of equal size: fewer say too little of where the rows were. */
const EDGES_MIN = 8;
/** Share of the rows in one bin at an end. */
const END_SHARE = 0.95;
/** Largest distance of the two distributions over the bins between. */
const DISTANCE_MAX = 0.6;
/** Standard deviations of the training rows. */
const MEAN_SHIFT_MAX = 4;
const SPREAD_MIN = 0.1;

interface Watch {
  readonly feature: NumberFeature;
  readonly index: number;
  add(value: number): void;
  isShifted(): boolean;
}

export class InputShift {
  private readonly watches: readonly Watch[];

  constructor({ contract, transform }: ModelArtefact) {
    let number = 0;
    this.watches = contract.features.flatMap((feature, index): Watch[] => {
      if (feature.type !== 'number') return [];
      if (transform.kind === 'standardised') {
        const [mean, deviation] = [transform.means[number]!, transform.deviations[number]!];
        number++;
        return [new MomentWatch(feature, index, mean, deviation)];
      }
      const bins = transform.features[index]!;
      if ('categories' in bins || bins.edges.length < EDGES_MIN) return [];
      return [new BinWatch(feature, index, bins.edges)];
    });
  }

  /** @param row numbers and codes, a slot a feature */
  add(row: Float64Array): void {
    for (const watch of this.watches) {
      const value = row[watch.index]!;
      if (!Number.isNaN(value) && watch.feature.special?.includes(value) !== true) watch.add(value);
    }
  }

  shifted(): { readonly feature: string; readonly message: string }[] {
    return this.watches
      .filter((watch) => watch.isShifted())
      .map(({ feature: { name, unit } }) => ({
        feature: name,
        message:
          'the numbers lie in the range, but elsewhere than those the model was made with, as in another unit' +
          `${unit === undefined ? '' : ` than ${unit}`}; check the unit`,
      }));
  }
}

/** Different values, up to as many as matter. */
class Distinct {
  private readonly seen = new Set<number>();

  add(value: number): void {
    if (this.seen.size < DISTINCT_MIN) this.seen.add(value);
  }

  get areMany(): boolean {
    return this.seen.size >= DISTINCT_MIN;
  }
}

class BinWatch implements Watch {
  readonly feature: NumberFeature;
  readonly index: number;
  private readonly edges: readonly number[];
  private readonly counts: Float64Array;
  private readonly first = new Distinct();
  private readonly last = new Distinct();
  private readonly between = new Distinct();

  constructor(feature: NumberFeature, index: number, edges: readonly number[]) {
    this.feature = feature;
    this.index = index;
    this.edges = edges;
    this.counts = new Float64Array(edges.length + 1);
  }

  add(value: number): void {
    const bin = binOf({ edges: this.edges as number[], special: [] }, value);
    this.counts[bin]!++;
    (bin === 0 ? this.first : bin === this.edges.length ? this.last : this.between).add(value);
  }

  isShifted(): boolean {
    const { counts } = this;
    const rows = counts.reduce((a, b) => a + b, 0);
    if (rows < ROWS_MIN) return false;
    const end = counts.length - 1;
    if (this.first.areMany && counts[0]! >= END_SHARE * rows) return true;
    if (this.last.areMany && counts[end]! >= END_SHARE * rows) return true;
    // a value that most training rows share may fill the first bin: what lies between the ends is compared
    const inner = rows - counts[0]! - counts[end]!;
    if (!this.between.areMany || inner < ROWS_MIN) return false;
    let cumulated = 0;
    for (let bin = 1; bin < end; bin++) {
      cumulated += counts[bin]! / inner;
      if (Math.abs(cumulated - bin / (end - 1)) > DISTANCE_MAX) return true;
    }
    return false;
  }
}

class MomentWatch implements Watch {
  readonly feature: NumberFeature;
  readonly index: number;
  private readonly mean: number;
  private readonly deviation: number;
  private readonly toUnit: (value: number) => number;
  private readonly distinct = new Distinct();
  private rows = 0;
  private sum = 0;
  private squares = 0;

  constructor(feature: NumberFeature, index: number, mean: number, deviation: number) {
    this.feature = feature;
    this.index = index;
    this.mean = mean;
    this.deviation = deviation;
    this.toUnit = unitScaler(feature);
  }

  add(value: number): void {
    this.distinct.add(value);
    const z = (this.toUnit(value) - this.mean) / this.deviation;
    this.rows++;
    this.sum += z;
    this.squares += z * z;
  }

  isShifted(): boolean {
    if (this.rows < ROWS_MIN || !this.distinct.areMany) return false;
    const mean = this.sum / this.rows;
    const spread = Math.sqrt(Math.max(0, this.squares / this.rows - mean * mean));
    return Math.abs(mean) > MEAN_SHIFT_MAX || spread < SPREAD_MIN;
  }
}
