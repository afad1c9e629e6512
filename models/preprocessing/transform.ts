/**
 * From a row under the contract to the numbers a network takes, one definition for training and scoring.
 *
 * A number is clipped to the contract's [min, max], put on its declared scale (linear, or
 * sign(x)·ln(1+|x|)), mapped to [0, 1] over that range, then standardised with the federation's mean and
 * standard deviation and limited to ±INPUT_LIMIT. Special values have an indicator each, and so has missing where it
 * is allowed; the number is then 0, and neither counts in mean and deviation. A category is one-hot over the
 * contract's vocabulary, then "other", then, where missing is allowed, "missing".
 *
 * Means and deviations live in [0, 1] units: they are all a sum can give, and need no logarithm to agree on.
 */
import { z } from 'zod';
import { unitScaler } from '#models/preprocessing/unit-range.ts';
import type { DataContract, NumberFeature } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';

/** A standardised value beyond this many standard deviations says no more than that it is extreme. */
export const INPUT_LIMIT = 5;

/** One pair for each number feature, in contract order, in units of the feature's [0, 1] range. */
export const standardisation = z.strictObject({
  means: z.array(z.number()),
  deviations: z.array(z.number().positive()),
});
export type Standardisation = z.infer<typeof standardisation>;

/** For each contract feature, its first input and the one after its last. */
export function inputRanges(contract: DataContract): { start: number; end: number }[] {
  let end = 0;
  return contract.features.map((f) => {
    const start = end;
    end +=
      (f.type === 'number' ? 1 + specialOf(f).length : f.categories.length + 1) +
      (f.missing === 'allowed' ? 1 : 0);
    return { start, end };
  });
}

function specialOf(feature: NumberFeature): readonly number[] {
  return feature.special ?? [];
}

/** Names of the network's inputs, in order. */
export function inputNames(contract: DataContract): string[] {
  return contract.features.flatMap((f) => {
    const missing = f.missing === 'allowed' ? [`${f.name} is missing`] : [];
    if (f.type === 'number')
      return [f.name, ...specialOf(f).map((value) => `${f.name} = ${value}`), ...missing];
    return [...f.categories.map((c) => `${f.name} = ${c}`), `${f.name} = other`, ...missing];
  });
}

/** The feature matrix, row-major [table.rowCount, inputNames.length]. */
export function transformTable(contract: DataContract, fit: Standardisation, table: Table): Float32Array {
  const width = inputNames(contract).length;
  const matrix = new Float32Array(table.rowCount * width);
  let start = 0;
  let numberIndex = 0;
  for (const column of table.columns) {
    const { feature } = column;
    const indicator = feature.missing === 'allowed' ? 1 : 0;
    if (isNumberColumn(column)) {
      const toUnit = unitScaler(column.feature);
      const mean = fit.means[numberIndex]!;
      const deviation = fit.deviations[numberIndex]!;
      const special = specialOf(column.feature);
      const missingAt = 1 + special.length;
      numberIndex++;
      for (let row = 0; row < table.rowCount; row++) {
        const value = column.values[row]!;
        const at = row * width + start;
        if (Number.isNaN(value)) {
          if (indicator === 1) matrix[at + missingAt] = 1;
        } else if (special.includes(value)) matrix[at + 1 + special.indexOf(value)] = 1;
        else {
          const z = (toUnit(value) - mean) / deviation;
          matrix[at] = z > INPUT_LIMIT ? INPUT_LIMIT : z < -INPUT_LIMIT ? -INPUT_LIMIT : z;
        }
      }
      start += missingAt + indicator;
    } else {
      const levels = column.feature.categories.length;
      for (let row = 0; row < table.rowCount; row++) {
        const code = column.codes[row]!; // 0 = missing, 1..levels, levels + 1 = other
        if (code > 0) matrix[row * width + start + code - 1] = 1;
        else if (indicator === 1) matrix[row * width + start + levels + 1] = 1;
      }
      start += levels + 1 + indicator;
    }
  }
  return matrix;
}

/** One row of `transformTable`, to the same bits: numbers (NaN missing) and category codes to inputs. */
export type RowTransform = (row: Float64Array, inputs: Float32Array) => void;

export function createRowTransform(contract: DataContract, fit: Standardisation): RowTransform {
  let numberIndex = 0;
  const ranges = inputRanges(contract);
  const writers = contract.features.map((feature, j) => {
    const { start } = ranges[j]!;
    const indicator = feature.missing === 'allowed';
    if (feature.type === 'category') {
      const missingAt = start + feature.categories.length + 1;
      return (code: number, inputs: Float32Array) => {
        if (code > 0) inputs[start + code - 1] = 1;
        else if (indicator) inputs[missingAt] = 1;
      };
    }
    const toUnit = unitScaler(feature);
    const mean = fit.means[numberIndex]!;
    const deviation = fit.deviations[numberIndex]!;
    const special = specialOf(feature);
    numberIndex++;
    return (value: number, inputs: Float32Array) => {
      if (Number.isNaN(value)) {
        if (indicator) inputs[start + 1 + special.length] = 1;
      } else if (special.includes(value)) inputs[start + 1 + special.indexOf(value)] = 1;
      else {
        const z = (toUnit(value) - mean) / deviation;
        inputs[start] = z > INPUT_LIMIT ? INPUT_LIMIT : z < -INPUT_LIMIT ? -INPUT_LIMIT : z;
      }
    };
  });
  return (row, inputs) => {
    inputs.fill(0);
    for (let j = 0; j < writers.length; j++) writers[j]!(row[j]!, inputs);
  };
}
