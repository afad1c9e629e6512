/**
 * The range a contract declares for a number, as [0, 1]: clipped to [min, max], on the feature's scale (linear, or
 * sign(x)·ln(1+|x|)). Sums of such values have a bound that every bank knows beforehand.
 */
import { exp, log1p } from '#models/arithmetic/exp-log.ts';
import type { DataContract, NumberFeature } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';

export function numberFeatures(contract: DataContract): NumberFeature[] {
  return contract.features.filter((f) => f.type === 'number');
}

/** Maps a value to [0, 1] over the feature's range; NaN stays NaN. */
export function unitScaler(feature: NumberFeature): (value: number) => number {
  const onScale = feature.scale === 'log' ? signedLog : (x: number) => x;
  const { low, span } = unitRange(feature);
  return (value) => {
    const clipped = value < feature.min ? feature.min : value > feature.max ? feature.max : value;
    return (onScale(clipped) - low) / span;
  };
}

/** As `unitScaler`; NaN also for special values, which are no sizes. */
function ordinaryUnitScaler(feature: NumberFeature): (value: number) => number {
  const toUnit = unitScaler(feature);
  if (feature.special === undefined) return toUnit;
  const apart = new Set(feature.special);
  return (value) => (apart.has(value) ? Number.NaN : toUnit(value));
}

/**
 * Calls `visit` for every value of the number columns, column by column; missing and special ones are passed over.
 * @param j index among the number columns
 * @param scalerOf maps a value to its unit, or to NaN for one that does not count
 */
export function visitUnits(
  table: Table,
  visit: (unit: number, j: number) => void,
  scalerOf: (feature: NumberFeature) => (value: number) => number = ordinaryUnitScaler,
): void {
  table.columns.filter(isNumberColumn).forEach(({ feature, values }, j) => {
    const toUnit = scalerOf(feature);
    for (const value of values) {
      const unit = toUnit(value);
      if (!Number.isNaN(unit)) visit(unit, j);
    }
  });
}

/** Where the feature's range begins on its scale, and how long it is. */
export function unitRange(feature: NumberFeature): { low: number; span: number } {
  const onScale = feature.scale === 'log' ? signedLog : (x: number) => x;
  const low = onScale(feature.min);
  return { low, span: onScale(feature.max) - low };
}

/** Undoes `unitScaler` for values in [0, 1]; within the feature's range. */
export function fromUnit(feature: NumberFeature, unit: number): number {
  const { low, span } = unitRange(feature);
  const onScale = low + unit * span;
  const value = feature.scale === 'log' ? signedExp(onScale) : onScale;
  return value < feature.min ? feature.min : value > feature.max ? feature.max : value;
}

function signedLog(x: number): number {
  return x < 0 ? -log1p(-x) : log1p(x);
}

function signedExp(y: number): number {
  return y < 0 ? 1 - exp(-y) : exp(y) - 1;
}
