/**
 * The model a bank keeps, whatever program made it: canonical JSON, addressed by the root of its bytes. It holds
 * everything needed to score and to explain a score, and nothing that depends on a training library.
 *
 * It says nothing of the run it came from: the same rows give the same bytes, pooled or federated. Where it came
 * from is in the ledger, beside it.
 */
import { z } from 'zod';
import { calibrationRecord } from '#models/evaluation/calibration-map.ts';
import { segmentRecord } from '#models/evaluation/segments.ts';
import { link } from '#models/fedavg/losses/loss.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { ACTIVATIONS, parameterCount } from '#models/fedavg/network.ts';
import { binCount, featureBins, orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';
import { inputRanges } from '#models/preprocessing/transform.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { scaling } from '#models/scoring/scaling.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

const FEATURES_MAX = 2000;
const TREES_MAX = 2000;

/** See `preprocessing/transform.ts`: one pair a number feature, in units of its [0, 1] range. */
const standardisedTransform = z.strictObject({
  kind: z.literal('standardised'),
  means: z.array(z.number()).max(FEATURES_MAX),
  deviations: z.array(z.number().positive()).max(FEATURES_MAX),
});
export type StandardisedTransform = z.infer<typeof standardisedTransform>;

/** See `preprocessing/bins.ts`: the bins of every contract feature, in contract order. */
const binsTransform = z.strictObject({
  kind: z.literal('bins'),
  features: z.array(featureBins).max(FEATURES_MAX),
});
export type BinsTransform = z.infer<typeof binsTransform>;

const networkParameters = z.strictObject({
  network: z
    .strictObject({
      inputs: z.int().min(1),
      hidden: z.array(z.int().min(1)),
      dropout: z.number().min(0).max(1),
      /** One a hidden layer, where not all are relu, and where their dropouts differ. */
      activations: z.array(z.enum(ACTIVATIONS)).optional(),
      dropouts: z.array(z.number().min(0).max(1)).optional(),
    })
    .refine(
      ({ hidden, activations, dropouts }) =>
        [activations, dropouts].every((list) => list === undefined || list.length === hidden.length),
      { message: 'one activation and one dropout a hidden layer' },
    ),
  /** float32, little-endian, in base64; laid out as `fedavg/network.ts` says. */
  weights: z.string(),
  /** How log-odds follow from the network's output where it was trained on another loss than cross-entropy. */
  link: link.optional(),
});
export type NetworkParameters = z.infer<typeof networkParameters>;

const characteristic = z.strictObject({
  /** Index into `contract.features`. */
  feature: z.int().min(0),
  /** Coarse group of each fine bin of the transform. */
  groups: z.array(z.int().min(0)),
  /** ln(share of bads / share of goods) of each group. */
  woe: z.array(z.number()),
  /** Population mean of the input. */
  mean: z.number(),
  coefficient: z.number(),
  /**
   * Whole points of each group, and what rounding left: points + residual, one group of each characteristic, add up
   * to the score, calibration included.
   */
  points: z.array(z.int()),
  residual: z.array(z.number()),
  iv: z.number(),
  standardError: z.number(),
  wald: z.number(),
  p: z.number(),
  vif: z.number(),
  /** Rows of each group, and its bads, where there are enough of them to be published. */
  counts: z.array(z.strictObject({ rows: z.int().min(0), bads: z.int().min(0) }).nullable()).optional(),
});
const scorecardParameters = z.strictObject({
  intercept: z.number(),
  characteristics: z.array(characteristic).max(FEATURES_MAX),
  /** Features that are not in the scorecard, and why, in the order they fell out. */
  rejected: z
    .array(z.strictObject({ feature: z.int().min(0), iv: z.number(), reason: z.string().max(200) }))
    .max(FEATURES_MAX)
    .optional(),
});
export type ScorecardParameters = z.infer<typeof scorecardParameters>;

/**
 * Flat arrays, one entry a node; node 0 is the root, children have higher indices than their parent, the right one
 * follows the left.
 */
const tree = z.strictObject({
  /** Index into `contract.features`; −1 is a leaf. */
  feature: z.array(z.int().min(-1)),
  /**
   * A number: its ordered bins up to this one go left, special values go with missing. A list, of a category or of
   * special values: exactly these bins go left.
   */
  bin: z.array(z.union([z.int(), z.array(z.int().min(0))])),
  missingLeft: z.array(z.boolean()),
  left: z.array(z.int()),
  right: z.array(z.int()),
  /** What a leaf adds to the log-odds, the learning rate included. */
  value: z.array(z.number()),
  /** Training rows that came through. */
  cover: z.array(z.number().min(0)),
});
const gbdtParameters = z.strictObject({
  baseLogit: z.number(),
  trees: z.array(tree).max(TREES_MAX),
});
export type GbdtParameters = z.infer<typeof gbdtParameters>;

const common = {
  v: z.literal(2),
  contract: dataContract,
  /** messageHash("transform", transform): which two models share. */
  transformHash: hash,
  calibration: calibrationRecord,
  scaling,
  cutoffs: cutoffs.optional(),
  /** The applicant others are explained against: made of typical values, never a real one. */
  baseline: z.strictObject({
    /** Medians, or means on the scale of each number; with the most frequent category. Models of old do not say. */
    kind: z.enum(['median-mode', 'mean-mode']).optional(),
    row: z.array(z.union([z.number(), z.string(), z.null()])).max(FEATURES_MAX),
  }),
  /** Figures on rows kept back. */
  metrics: z.record(z.string(), z.number()),
  /** The same by category, where the plan asked for it. */
  segments: z.array(segmentRecord).optional(),
};

const modelArtefact = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('network'),
    transform: standardisedTransform,
    parameters: networkParameters,
  }),
  z.strictObject({
    ...common,
    kind: z.literal('scorecard'),
    transform: binsTransform,
    parameters: scorecardParameters,
  }),
  z.strictObject({
    ...common,
    kind: z.literal('gbdt'),
    transform: binsTransform,
    parameters: gbdtParameters,
  }),
]);
export type ModelArtefact = z.infer<typeof modelArtefact>;
export type ModelKind = ModelArtefact['kind'];

type OfKind<Kind extends ModelKind> = Extract<ModelArtefact, { kind: Kind }>;

/** What a program hands over; version and transform hash are added. */
export type ModelParts<Kind extends ModelKind> = Omit<OfKind<Kind>, 'v' | 'transformHash'>;

export function createArtefact<Kind extends ModelKind>(parts: ModelParts<Kind>): Json {
  const { cutoffs: limits, segments, ...rest } = parts;
  return {
    ...rest,
    ...(limits === undefined ? {} : { cutoffs: limits }),
    ...(segments === undefined || segments.length === 0 ? {} : { segments }),
    v: 2,
    transformHash: messageHash('transform', parts.transform),
  } as unknown as Json;
}

/**
 * Reads a model and checks that its parts fit each other, so that a scorer need not.
 * @throws FederationError SCHEMA naming what is wrong
 */
export function parseArtefact(value: unknown): ModelArtefact {
  const parsed = modelArtefact.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    throw new FederationError('SCHEMA', `expected a model artefact of version 2; ${where}${issue.message}`, {
      cause: parsed.error,
    });
  }
  const artefact = parsed.data;
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
  return artefact;
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
