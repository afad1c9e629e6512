/** The lift table: how many of the bads the riskiest rows hold. What a credit committee looks at first. */

export interface LiftRow {
  /** Share of all rows in this group and the riskier ones, in (0, 1]. */
  readonly population: number;
  readonly rows: number;
  readonly bads: number;
  readonly badRate: number;
  /** Bad rate of the group over that of all. */
  readonly lift: number;
  /** Share of all bads in this group and the riskier ones. */
  readonly captured: number;
}

/**
 * Riskiest rows first, in `groups` of equal size; rows of one score that straddle a border are shared out in
 * proportion, so the table does not depend on the order of rows (counts may then be fractions).
 * @param scores higher means riskier
 * @returns nothing when there are no bads
 */
export function liftTable(scores: Float64Array, bad: Uint8Array, groups: number): LiftRow[] {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const all = bad.reduce((sum, y) => sum + y, 0);
  if (all === 0) return [];
  const size = scores.length / groups;
  const bads = new Float64Array(groups);
  for (let start = 0; start < order.length;) {
    let end = start + 1; // a NaN equals nothing, itself included
    let tiedBads = bad[order[start]!]!;
    while (end < order.length && scores[order[end]!] === scores[order[start]!])
      tiedBads += bad[order[end++]!]!;
    for (let g = Math.floor(start / size); g < groups && g * size < end; g++) {
      const overlap = Math.min(end, (g + 1) * size) - Math.max(start, g * size);
      if (overlap > 0) bads[g]! += (tiedBads * overlap) / (end - start);
    }
    start = end;
  }
  let captured = 0;
  return Array.from(bads, (count, g) => {
    captured += count;
    return {
      population: (g + 1) / groups,
      rows: size,
      bads: count,
      badRate: count / size,
      lift: count / size / (all / scores.length),
      captured: captured / all,
    };
  });
}
