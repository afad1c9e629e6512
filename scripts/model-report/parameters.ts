/** What a regression and an ensemble of trees are made of, in their features' names. */
import type { ModelArtefact } from '#models/artefact.ts';
import { layersOf, parameterCount } from '#models/fedavg/network.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { inputNames } from '#models/preprocessing/transform.ts';
import { scorecardSections } from '#scripts/model-report/scorecard.ts';
import type { Section } from '#scripts/model-report/section.ts';

type OfKind<Kind extends ModelArtefact['kind']> = Extract<ModelArtefact, { kind: Kind }>;

export function parameterSections(artefact: ModelArtefact): Section[] {
  switch (artefact.kind) {
    case 'scorecard':
      return scorecardSections(artefact);
    case 'gbdt':
      return [importance(artefact)];
    case 'network':
      return artefact.parameters.network.hidden.length === 0 ? [coefficients(artefact)] : [layers(artefact)];
  }
}

/** Without hidden layers a network is a logistic regression: one weight for each input, then the intercept. */
function coefficients({ contract, parameters }: OfKind<'network'>): Section {
  const weights = networkWeights(parameters);
  const names = inputNames(contract);
  const rows = names.map((name, i) => ({ label: name, value: weights[i]! }));
  rows.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  return {
    title: 'Coefficients',
    lines: [
      `intercept ${weights[names.length]!.toFixed(4)}; per standard deviation of a number, and for a category against none of them; above 0 raises the PD`,
    ],
    table: {
      head: ['input', 'coefficient', 'odds ratio'],
      rows: rows.map(({ label, value }) => [label, value.toFixed(4), Math.exp(value).toFixed(3)]),
      right: [1, 2],
    },
    bars: { title: 'Coefficients', bars: rows },
  };
}

function layers({ parameters: { network } }: OfKind<'network'>): Section {
  const sizes = layersOf(network).map(({ inputs, outputs }) => `${inputs} to ${outputs}`);
  return {
    title: 'Network',
    lines: [
      `${network.hidden.length} hidden layers: ${sizes.join(', ')}; ${parameterCount(network)} weights. What a feature does is shown for one applicant by "tallystick model explain".`,
    ],
  };
}

/**
 * How much of what the trees say differs because of a feature: over its splits, cover_left · cover_right / cover ·
 * (mean_left − mean_right)², the variance between the two sides, as a share of all.
 */
function importance({ contract, parameters: { trees } }: OfKind<'gbdt'>): Section {
  const gains = new Float64Array(contract.features.length);
  const splits = new Float64Array(contract.features.length);
  for (const { feature, left, right, value, cover } of trees) {
    const means = Float64Array.from(value);
    for (let node = feature.length - 1; node >= 0; node--) {
      if (feature[node] === -1) continue;
      const [a, b] = [left[node]!, right[node]!];
      const all = cover[a]! + cover[b]!;
      means[node] = all === 0 ? 0 : (cover[a]! * means[a]! + cover[b]! * means[b]!) / all;
      splits[feature[node]!]!++;
      if (all > 0) gains[feature[node]!]! += ((cover[a]! * cover[b]!) / all) * (means[a]! - means[b]!) ** 2;
    }
  }
  const total = gains.reduce((sum, gain) => sum + gain, 0);
  const rows = contract.features
    .map(({ name }, j) => ({ label: name, value: total === 0 ? 0 : gains[j]! / total, splits: splits[j]! }))
    .filter((row) => row.splits > 0)
    .sort((a, b) => b.value - a.value);
  const unused = contract.features.length - rows.length;
  return {
    title: 'Importance of features',
    lines: [
      `share of the variance that splits by a feature make${unused === 0 ? '' : `; ${unused} features are in no split`}`,
    ],
    table: {
      head: ['feature', 'share', 'splits'],
      rows: rows.map(({ label, value, splits: count }) => [
        label,
        `${(100 * value).toFixed(1)} %`,
        String(count),
      ]),
      right: [1, 2],
    },
    bars: { title: 'Importance', isShare: true, bars: rows },
  };
}
