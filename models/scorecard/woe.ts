/**
 * Weight of evidence and information value of grouped counts.
 *
 *   WOE_g = ln( (b_g / B) / (g_g / G) )       bad over good: above zero is riskier than the population
 *   IV    = Σ (b_g / B − g_g / G) · WOE_g
 *
 * Much of the literature has the quotient the other way round; here a positive coefficient goes with risk.
 */
import { log } from '#models/arithmetic/exp-log.ts';
import { REGRESSOR_LIMIT } from '#models/newton/likelihood-sums.ts';

/** Beyond this a group says no more than that it is extreme; Newton sums are bounded by it. */
const WOE_LIMIT = REGRESSOR_LIMIT;

export interface WeightOfEvidence {
  /** One for each group, within ±8; 0 for a group without rows. */
  readonly woe: readonly number[];
  readonly iv: number;
}

/**
 * Where a group has no bad or no good, ½ is added to both of its counts.
 * @param bad counts, one for each group, as in `good`; all zero gives weights of zero
 */
export function weightOfEvidence(bad: readonly number[], good: readonly number[]): WeightOfEvidence {
  const bads = bad.reduce((a, b) => a + b, 0);
  const goods = good.reduce((a, b) => a + b, 0);
  let iv = 0;
  const woe = bad.map((b, i) => {
    const g = good[i]!;
    if ((b === 0 && g === 0) || bads === 0 || goods === 0) return 0;
    const half = b === 0 || g === 0 ? 0.5 : 0;
    const badShare = (b + half) / bads;
    const goodShare = (g + half) / goods;
    const weight = Math.max(-WOE_LIMIT, Math.min(WOE_LIMIT, log(badShare / goodShare)));
    iv += (badShare - goodShare) * weight;
    return weight;
  });
  return { woe, iv };
}
