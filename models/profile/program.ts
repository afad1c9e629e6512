/**
 * A profile of the pooled rows: quantiles, counts, bad rates, means and deviations.
 *
 *   quantiles (at most four questions) → counts → spreads
 *
 * Exact: the same artefact for the same rows however they are spread over banks.
 */
import { readTwoLimbs, twoLimbFields } from '#models/preprocessing/two-limb-sums.ts';
import { binCountFields, readBinCounts, type BinCounts } from '#models/preprocessing/bin-counts.ts';
import { binsOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import {
  nextQuantiles,
  QUANTILE_ROUNDS,
  startQuantiles,
  type FeatureQuantiles,
  type QuantileState,
  type QuantileStep,
} from '#models/preprocessing/quantiles.ts';
import { numberFeatures } from '#models/preprocessing/unit-range.ts';
import type { Program, ProgramSetup, Question, Step } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { publishedCells, type Profile } from '#models/profile/profile.ts';
import { profileSettings, type ProfileSettings } from '#models/profile/settings.ts';
import type { NumberFeature } from '#shared/contract/contract.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { assertNoOverflow } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const PUBLISHED = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
/** What is searched for: what is published, and the deciles that cut the cells. */
const SEARCHED = [...new Set([...DECILES, ...PUBLISHED])].sort((a, b) => a - b);

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: ProfileSettings;
}

interface Counted {
  readonly quantiles: readonly FeatureQuantiles[];
  readonly bins: readonly FeatureBins[];
}

type State = Common &
  (
    | { readonly phase: 'quantiles'; readonly search: QuantileState }
    | ({ readonly phase: 'counts' } & Counted)
    | ({
        readonly phase: 'spreads';
        readonly counts: readonly BinCounts[];
        /** Of each number feature, in [0, 1] of its range. */
        readonly unitMeans: readonly number[];
      } & Counted)
  );

export const profile: Program<State> = {
  name: 'profile',

  isOfOneCompany: () => true,
  maximumRounds: (settings) => {
    parseSettings(profileSettings, settings);
    return QUANTILE_ROUNDS + 2;
  },

  begin(setup) {
    const settings = parseSettings(profileSettings, setup.settings);
    assertNoOverflow(twoLimbFields('units', 1), 'u64', setup.participants); // or it would come up in mid-run
    return afterQuantiles({ setup, settings }, startQuantiles(setup.contract, SEARCHED, settings.kMin));
  },

  next(state, sum) {
    switch (state.phase) {
      case 'quantiles':
        return afterQuantiles(state, nextQuantiles(state.search, sum));
      case 'counts':
        return afterCounts(state, sum);
      case 'spreads':
        return finish(state, deviations(state, sum));
    }
  },
};

function afterQuantiles({ setup, settings }: Common, step: QuantileStep): Step<State> {
  if (step.kind === 'ask') {
    const state: State = { setup, settings, phase: 'quantiles', search: step.state };
    return { kind: 'ask', state, question: step.question, metrics: {} };
  }
  const { quantiles } = step;
  const edges = quantiles.map((found) => decileEdges(found, settings.kMin));
  const bins = binsOf(setup.contract, edges);
  const numbers = numberFeatures(setup.contract).length;
  const question: Question = {
    kind: 'counts',
    ring: 'u64',
    fields: [...binCountFields(bins), ...(numbers === 0 ? [] : twoLimbFields('units', numbers))],
    settings: { bins: bins as unknown as Json },
    tensors: {},
  };
  const state: State = { setup, settings, phase: 'counts', quantiles, bins };
  return { kind: 'ask', state, question, metrics: {} };
}

/** Those of the edges that are deciles and may be published, for the cells' labels say them. */
function decileEdges(quantiles: FeatureQuantiles, kMin: number): number[] {
  const deciles = new Set(DECILES.map((d) => publishedQuantile(quantiles, d, kMin)));
  return quantiles.edges.filter((edge) => deciles.has(edge));
}

function afterCounts(state: Extract<State, { phase: 'counts' }>, sum: RingSum): Step<State> {
  const { setup, settings, quantiles, bins } = state;
  const counts = readBinCounts(sum, bins);
  const [{ bad, good }] = counts as [BinCounts];
  const bads = bad.reduce((a, b) => a + b, 0);
  const rows = good.reduce((a, b) => a + b, bads);
  if (rows < settings.kMin) {
    throw new FederationError(
      'DATA_SOURCE',
      `the banks together have fewer than ${settings.kMin} rows: nothing about them may be published`,
    );
  }
  const metrics = { rows, badRate: bads / rows };
  const common = { setup, settings, quantiles, bins, counts };
  if (quantiles.length === 0) return finish({ ...common, phase: 'spreads', unitMeans: [] }, []);
  const unitMeans = [...readTwoLimbs(sum, 'units')].map((total, j) =>
    quantiles[j]!.rows === 0 ? 0 : total / quantiles[j]!.rows,
  );
  const question: Question = {
    kind: 'spreads',
    ring: 'u64',
    fields: twoLimbFields('squares', quantiles.length),
    settings: { unitMeans },
    tensors: {},
  };
  return { kind: 'ask', state: { ...common, phase: 'spreads', unitMeans }, question, metrics };
}

/** Population deviations in units of the feature's range. */
function deviations({ quantiles }: Counted, sum: RingSum): number[] {
  return [...readTwoLimbs(sum, 'squares')].map((squares, j) => {
    const { rows } = quantiles[j]!;
    return rows === 0 ? 0 : Math.sqrt(Math.max(0, squares) / rows);
  });
}

function finish(state: Extract<State, { phase: 'spreads' }>, unitDeviations: readonly number[]): Step<State> {
  const { setup, settings, quantiles, bins, counts, unitMeans } = state;
  const { kMin } = settings;
  const bads = counts[0]!.bad.reduce((a, b) => a + b, 0);
  const rows = counts[0]!.good.reduce((a, b) => a + b, bads);
  let next = 0;
  const features = setup.contract.features.map((feature, f): Profile['features'][number] => {
    const { name } = feature;
    if (feature.type === 'category') {
      const labels = [...feature.categories, '(other)', '(missing)'];
      return { name, type: 'category', cells: publishedCells(labels, counts[f]!, kMin) };
    }
    const j = next++;
    const known = quantiles[j]!;
    const enough = known.rows >= kMin;
    const span = feature.max - feature.min;
    return {
      name,
      type: 'number',
      mean: enough ? feature.min + unitMeans[j]! * span : null,
      deviation: enough ? unitDeviations[j]! * span : null,
      quantiles: PUBLISHED.map((fraction) => ({ fraction, value: publishedQuantile(known, fraction, kMin) })),
      cells: publishedCells(numberLabels(feature, bins[f]!), counts[f]!, kMin),
    };
  });
  const artefact = {
    v: 1,
    kind: 'profile',
    contract: setup.contract,
    kMin,
    rows,
    badRate: bads / rows,
    features,
  };
  return {
    kind: 'done',
    result: { artefact: artefact as unknown as Json, reason: 'every figure was summed' },
    metrics: { rows, badRate: bads / rows },
  };
}

function publishedQuantile(
  { rows, values }: FeatureQuantiles,
  fraction: number,
  kMin: number,
): number | null {
  const rank = fraction * rows;
  return rank >= kMin && rows - rank >= kMin ? values[SEARCHED.indexOf(fraction)]! : null;
}

function numberLabels({ special }: NumberFeature, bins: FeatureBins): string[] {
  const edges = 'edges' in bins ? bins.edges : [];
  const ranges = edges.map((edge, i) => (i === 0 ? `≤ ${edge}` : `${edges[i - 1]!} – ${edge}`));
  const last = edges.length === 0 ? '(any)' : `> ${edges.at(-1)!}`;
  return [...ranges, last, ...(special ?? []).map((value) => `= ${value}`), '(missing)'];
}
