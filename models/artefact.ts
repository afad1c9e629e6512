/**
 * The model a bank keeps, whatever program made it: canonical JSON, addressed by the root of its bytes. It holds
 * everything needed to score and to explain a score, and nothing that depends on a training library.
 *
 * It says nothing of the run it came from: the same rows give the same bytes, pooled or federated. Where it came
 * from is in the ledger, beside it.
 */
import { z } from 'zod';
import { assertFits } from '#models/artefact-fit.ts';
import { calibrationRecord } from '#models/evaluation/calibration-map.ts';
import { segmentRecord } from '#models/evaluation/segments.ts';
import { link } from '#models/fedavg/losses/loss.ts';
import { ACTIVATIONS } from '#models/fedavg/network.ts';
import { featureBins } from '#models/preprocessing/bins.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { scaling } from '#models/scoring/scaling.ts';
import { dataContract } from '#shared/contract/contract.ts';
import type { Base64Text, Json } from '#shared/crypto/canonical-json.ts';
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

/** What models/scorecard/remarks.ts speaks of. */
const remarked = {
  /** Every group, or one of them, has bads only or goods only. */
  separates: z.enum(['all', 'some']).optional(),
  /** Information value of groups without direction or shape, where it is higher by more than noise. */
  ivFree: z.number().optional(),
};
const characteristic = z.strictObject({
  ...remarked,
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
    .array(
      z.strictObject({ ...remarked, feature: z.int().min(0), iv: z.number(), reason: z.string().max(200) }),
    )
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

/** What a program hands over, weights as they are; version and transform hash are added. */
export type ModelParts<Kind extends ModelKind> = Omit<OfKind<Kind>, 'v' | 'transformHash' | 'parameters'> & {
  parameters: WithBytes<OfKind<Kind>['parameters']>;
};
type WithBytes<Parameters> = {
  [Name in keyof Parameters]: Parameters[Name] extends string ? string | Base64Text : Parameters[Name];
};

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
  assertFits(artefact);
  return artefact;
}
