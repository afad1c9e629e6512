/**
 * What a person should know of a scorecard's characteristics before trusting it: which of them separate bads from
 * goods, and what an agreed direction or shape costs in information value.
 */
import { chiSquareTail } from '#models/arithmetic/chi-square.ts';
import type { ScorecardParameters } from '#models/artefact.ts';
import type { DataContract } from '#shared/contract/contract.ts';

type Remarked = Pick<
  ScorecardParameters['characteristics'][number],
  'feature' | 'iv' | 'ivFree' | 'separates'
>;

/** Bads and goods of each group of one characteristic. */
interface Groups {
  readonly bad: readonly number[];
  readonly good: readonly number[];
}

/** @returns whether every group (`all`), or one of them (`some`), has bads only or goods only */
export function separation({ bad, good }: Groups): 'all' | 'some' | undefined {
  const isPure = bad.map((b, g) => b + good[g]! > 0 && (b === 0 || good[g] === 0));
  if (bad.length < 2 || !isPure.includes(true)) return undefined;
  return isPure.includes(false) ? 'some' : 'all';
}

/**
 * Whether grouping the ranges freely has so much more information value that it is not noise. IV · B·G / (B + G) is
 * about χ² for groups without information (Lewis 1994, the stability index is the same sum); as many degrees of freedom
 * as there are ranges to choose groups from, 1 in 1000.
 */
export function isCostly(iv: number, ivFree: number, ranges: number, { bad, good }: Groups): boolean {
  const [bads, goods] = [bad, good].map((counts) => counts.reduce((a, b) => a + b, 0)) as [number, number];
  return chiSquareTail(((ivFree - iv) * bads * goods) / (bads + goods), Math.max(1, ranges - 1)) < 0.001;
}

/** The same in numbers, among the figures of a run; nothing where there is nothing to say. */
export function remarkFigures(of: readonly Remarked[]): Record<string, number> {
  const separators = of.filter(({ separates }) => separates !== undefined).length;
  const lost = of.reduce((sum, { iv, ivFree = iv }) => sum + (ivFree - iv), 0);
  return {
    ...(separators === 0 ? {} : { separators }),
    ...(lost === 0 ? {} : { ivLostToShape: lost }),
  };
}

/** One sentence for each thing to know. */
export function remarks(
  contract: DataContract,
  {
    characteristics,
    rejected = [],
  }: { characteristics: readonly Remarked[]; rejected?: readonly Remarked[] | undefined },
): string[] {
  return [...characteristics, ...rejected].flatMap(({ feature: f, iv, ivFree, separates }) => {
    const { name, ...feature } = contract.features[f]!;
    const direction = feature.type === 'number' ? feature.monotone : undefined;
    const shape = direction === undefined ? 'the monotone shape' : `the direction "${direction}"`;
    return [
      ...(separates === 'all'
        ? [
            `"${name}" alone tells all bads from all goods (IV ${iv.toFixed(2)}): is it known before the outcome?`,
          ]
        : []),
      ...(separates === 'some'
        ? [
            `"${name}" has a group of bads only or of goods only (IV ${iv.toFixed(3)}): is it known before the outcome?`,
          ]
        : []),
      ...(ivFree === undefined
        ? []
        : [
            `${shape} costs "${name}" information value: ${iv.toFixed(3)}, and ${ivFree.toFixed(3)} without it`,
          ]),
    ];
  });
}

/** A ledger entry takes sentences of 500 characters. */
const REASON_MAX = 480;

/** Why a run ended, followed by as many remarks as there is room for; the model has them all. */
export function reasonWith(reason: string, said: readonly string[]): string {
  let [all, left] = [reason, said.length];
  for (const remark of said) {
    const longer = `${all}; ${remark}`;
    if (longer.length > REASON_MAX - 40) break;
    [all, left] = [longer, left - 1];
  }
  return left === 0 ? all : `${all}; ${left} more remarks in the model`;
}
