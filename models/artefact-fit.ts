/** Whether the parts of an artefact fit each other: what no schema of a single part can say. */
import type { BinsTransform, ModelArtefact, ModelKind } from '#models/artefact.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { parameterCount } from '#models/fedavg/network.ts';
import { binCount, orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';
import { inputRanges } from '#models/preprocessing/transform.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

type OfKind<Kind extends ModelKind> = Extract<ModelArtefact, { kind: Kind }>;

/** @throws FederationError SCHEMA naming what does not fit */
export function assertFits(artefact: ModelArtefact): void {
  if (messageHash('transform', artefact.transform) !== artefact.transformHash)
    throw misfit('the transform does not have the hash given for it');
  assertBaseline(artefact.contract, artefact.baseline.row);
  if (artefact.transform.kind === 'standardised') {
    const numbers = artefact.contract.features.filter((f) => f.type === 'number').length;
    const { means, deviations } = artefact.transform;
    if (means.length !== numbers || deviations.length !== numbers)
      throw misfit(`${numbers} number features need as many means and deviations`);
  } else assertBins(artefact.contract, artefact.transform);
  if (artefact.kind === 'network') assertNetwork(artefact);
  if (artefact.kind === 'scorecard') assertScorecard(artefact);
  if (artefact.kind === 'gbdt') assertTrees(artefact);
}

function assertBaseline(contract: DataContract, row: readonly (number | string | null)[]): void {
  if (row.length !== contract.features.length)
    throw misfit(`the baseline has ${row.length} cells for ${contract.features.length} features`);
  contract.features.forEach((feature, j) => {
    const type = feature.type === 'number' ? 'number' : 'string';
    if (row[j] !== null && typeof row[j] !== type)
      throw misfit(`the baseline of "${feature.name}" is no ${type}`);
  });
}

function assertBins(contract: DataContract, transform: BinsTransform): void {
  if (transform.features.length !== contract.features.length)
    throw misfit(`${contract.features.length} features need as many bins`);
  contract.features.forEach((feature, j) => {
    const bins = transform.features[j]!;
    const fits =
      feature.type === 'number'
        ? !('categories' in bins)
        : 'categories' in bins && bins.categories === feature.categories.length;
    if (!fits) throw misfit(`the bins of "${feature.name}" are not those of its type`);
  });
}

/** A weight that is no number would make every PD the same, and none of them a PD. */
function assertNetwork({ parameters, contract, calibration }: OfKind<'network'>): void {
  const { network, link } = parameters;
  const inputs = inputRanges(contract).at(-1)?.end ?? 0;
  if (network.inputs !== inputs)
    throw misfit(`the contract makes ${inputs} inputs, the network takes ${network.inputs}`);
  const weights = networkWeights(parameters);
  if (weights.length !== parameterCount(network))
    throw misfit(`the network has ${parameterCount(network)} parameters, the weights are ${weights.length}`);
  if (!weights.every(Number.isFinite)) throw misfit('a weight is not a finite number');
  if (link !== undefined && calibration.table.length === 0)
    throw misfit(`a network trained on ${link.kind} loss needs a calibration record: its table is empty`);
}

function assertScorecard({ parameters, transform, contract }: OfKind<'scorecard'>): void {
  const seen = new Set<number>();
  for (const { feature, groups, woe, points, residual, counts } of parameters.characteristics) {
    const bins = transform.features[feature];
    if (bins === undefined) throw misfit(`there is no feature ${feature}`);
    const { name } = contract.features[feature]!;
    if (seen.has(feature)) throw misfit(`"${name}" is in the scorecard twice`);
    seen.add(feature);
    if (groups.length !== binCount(bins)) throw misfit(`"${name}" needs a group for each of its bins`);
    const needed = Math.max(...groups) + 1;
    for (const list of [woe, points, residual, ...(counts === undefined ? [] : [counts])]) {
      if (list.length !== needed) throw misfit(`"${name}" has ${needed} groups, but not as many values`);
    }
  }
}

/** Children in pairs after their parent, so every walk down ends; bins that the feature has. */
function assertTrees({ parameters, transform, contract }: OfKind<'gbdt'>): void {
  parameters.trees.forEach((of, index) => {
    const nodes = of.feature.length;
    const lists = [of.bin, of.missingLeft, of.left, of.right, of.value, of.cover];
    if (nodes === 0 || lists.some((list) => list.length !== nodes))
      throw misfit(`the lists of tree ${index} differ in length`);
    of.feature.forEach((feature, node) => {
      if (feature === -1) return;
      const split = contract.features[feature];
      const [left, right] = [of.left[node]!, of.right[node]!];
      if (split === undefined || left <= node || right >= nodes)
        throw misfit(`node ${node} of tree ${index} points to what is not there`);
      if (right !== left + 1) throw misfit(`the children of node ${node} of tree ${index} are no pair`);
      if (!isSplitOf(transform.features[feature]!, of.bin[node]!))
        throw misfit(`node ${node} of tree ${index} splits "${split.name}" as what it is not`);
    });
  });
}

/** A number splits at one of its ordered bins, or sets special values (or missing, the empty list) apart. */
function isSplitOf(bins: FeatureBins, split: number | readonly number[]): boolean {
  const ordered = orderedBins(bins);
  if (typeof split === 'number') return split >= 0 && split < ordered;
  return split.every((bin) => bin >= ordered && bin < binCount(bins));
}

function misfit(what: string): FederationError {
  return new FederationError('SCHEMA', `expected a model artefact whose parts fit: ${what}`);
}
