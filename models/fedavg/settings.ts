/** What a plan says to the `fedavg` program. */
import { z } from 'zod';
import { chosenBy, target } from '#models/evaluation/stopping.ts';
import { segmentNames } from '#models/evaluation/segments.ts';
import { schedule } from '#models/fedavg/learning-rate.ts';
import { dropoutRate, hiddenWidths, readLayersModel, type LayersShape } from '#models/fedavg/layers-model.ts';
import { loss } from '#models/fedavg/losses/loss.ts';
import { serverSettings } from '#models/fedavg/server/server-step.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { scaling } from '#models/scoring/scaling.ts';
import { describeError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

/**
 * `hidden` and `dropout`, or `layers`: the `model.json` of a TensorFlow.js layers model, or the list of layers in it
 * (topology only, see `layers-model.ts`).
 */
const network = z
  .strictObject({
    /** Width of each hidden layer; none is logistic regression. */
    hidden: hiddenWidths.exactOptional(),
    /** Fraction of hidden units left out in a training step. */
    dropout: dropoutRate.exactOptional(),
    layers: z.json().exactOptional(),
  })
  .transform(({ hidden, dropout, layers }, context): LayersShape => {
    const refuse = (path: string[], message: string) => {
      context.addIssue({ code: 'custom', path, message });
      return z.NEVER;
    };
    if (layers === undefined) {
      if (hidden !== undefined && dropout !== undefined) return { hidden, dropout };
      return refuse([hidden === undefined ? 'hidden' : 'dropout'], 'is needed, unless there are layers');
    }
    if (hidden !== undefined || dropout !== undefined)
      return refuse(['layers'], 'layers already say what is hidden and what is left out');
    try {
      return readLayersModel(layers);
    } catch (error) {
      return refuse(['layers'], describeError(error));
    }
  });

export const fedavgSettings = z.strictObject({
  network,
  /** What each bank does between receiving the model and answering. */
  local: z
    .strictObject({
      epochs: z.int().min(1).max(100).default(1),
      batchSize: z.int().min(1).max(65_536).default(64),
      optimizer: z.enum(['adam', 'sgd']).default('adam'),
      learningRate: z.number().positive().max(10).default(0.001),
      /**
       * Adam's ε. Its moments start anew in every round, so with the usual 1e-7 the first steps move every
       * weight by the whole learning rate whatever its gradient, and that noise does not average out: on the
       * demo's banks it costs 0.02 of AUC against 0.01.
       */
      epsilon: z.number().positive().max(1).default(0.01),
      /** How the learning rate changes from round to round. */
      schedule: schedule.default({ kind: 'constant' }),
      /** What is minimised. Whatever it is, PDs and figures are those of the network with its bend taken out. */
      loss: loss.default({ kind: 'cross-entropy' }),
      /** FedProx's µ, the pull towards the model received; zero is FedAvg. */
      proximal: z.number().min(0).max(1000).default(0),
      /** Longest gradient of a batch, in the Euclidean norm over all weights. */
      gradientNorm: z.number().positive().max(1e6).exactOptional(),
    })
    .prefault({}),
  /** What everybody does with the average. */
  server: serverSettings.prefault({}),
  /** Largest change of one weight that a bank may send. */
  clip: z.number().positive().max(1000).default(1),
  /** Training rows beyond this do not make a bank weigh more. */
  rowsCap: z.int().min(1).max(1_048_576).default(131_072),
  /** Share of its rows a bank keeps back to judge the models it receives. */
  holdoutFraction: z.number().min(0.05).max(0.5).default(0.2),
  /** The map from log-odds to calibrated ones, fitted to the hold-out rows; see `evaluation/choose-map.ts`. */
  calibration: z.enum(['identity', 'platt', 'isotonic']).default('platt'),
  /** Fewest hold-out rows of anything that the model's record publishes. */
  kMin: z.int().min(5).max(1_000_000).default(20),
  /** From PD to score, and what is done at which PD; both go into the artefact as they are. */
  scaling: scaling.prefault({}),
  cutoffs: cutoffs.optional(),
  /** Category features by whose categories the model is judged as well (evaluation/segments.ts). */
  segments: segmentNames,
  stop: z.strictObject({
    /** Of training; means, spreads and the evaluation are three more. */
    rounds: z
      .int()
      .min(1)
      .max(LIMITS.roundsMax - 3),
    /** By this the result is chosen among the models of all rounds. */
    chosenBy,
    /** Stop after this many rounds without a better one. */
    patience: z.int().min(1).max(1000).optional(),
    target: target.optional(),
  }),
});
export type FedavgSettings = z.infer<typeof fedavgSettings>;
export type FedavgSettingsInput = z.input<typeof fedavgSettings>;

/** The two models a plan usually asks for. */
export const NETWORKS = {
  logistic: { hidden: [], dropout: 0 },
  mlp: { hidden: [64, 32, 16], dropout: 0.3 },
} as const;

/**
 * Recommended where banks' bad rates differ by far: one step of plain gradient descent a round on all rows (of banks up
 * to 65 536), for which FedAdam stands in as the optimiser. A bank takes no further steps, on which it could drift
 * towards its own bad rate, so Δ is the gradient on the rows of all; the price is rounds.
 *
 * Measured on five banks, label skew Dirichlet 0.5, partitions 0 to 4 of those that `scripts/bench/bench-skew.ts`
 * draws, against the plan proposed by default on all rows in one place: AUC 0.0036 lower at worst (partition 4, on
 * which this was chosen), elsewhere 0.0012 lower to 0.0025 higher; mean PD 0.212 to 0.222 where 0.221 are bad. Forty
 * rounds of many local steps, as proposed by default but for their number, fall short by up to 0.020 and have mean PDs of 0.178 to 0.218; a
 * hundred of such, with Adam or plain descent, stay 0.006 to 0.027 short in partition 4.
 */
export const SKEWED_BANKS = {
  local: { epochs: 1, batchSize: 65_536, optimizer: 'sgd', learningRate: 1 },
  server: { optimizer: 'fedadam', learningRate: 0.01 },
  stop: { rounds: 300 },
} as const satisfies Pick<FedavgSettingsInput, 'local' | 'server' | 'stop'>;
