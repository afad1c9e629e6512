/**
 * A network as TensorFlow.js writes it down: the `model.json` of a layers model (Keras' JSON form), or the list of
 * layers in it. Taken are Sequential models of Dense layers with relu, sigmoid or no activation, each hidden one with
 * at most one Dropout after it; everything else is refused rather than left out.
 *
 * The topology alone is taken. Weights lie in files of their own beside `model.json`, and a plan, which is one entry
 * of the ledger, has no room for them: training starts from weights drawn from the plan's seed, whatever initialisers
 * the layers name. A sigmoid on the last layer is the PD; the network here ends with the logit before it.
 */
import { z } from 'zod';
import { ACTIVATIONS, type Activation, type NetworkShape } from '#models/fedavg/network.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const HIDDEN_MAX = 8;
const UNITS_MAX = 8192;
const DROPOUT_MAX = 0.9;

/** Hidden layers from the first: how wide, and how much of each is left out in a training step. */
export const hiddenWidths = z.array(z.int().min(1).max(UNITS_MAX)).max(HIDDEN_MAX);
export const dropoutRate = z.number().min(0).max(DROPOUT_MAX);

/** What the layers say of the shape; the number of inputs only where the first layer says it. */
export type LayersShape = Omit<NetworkShape, 'inputs'> & { readonly inputs?: number };

const named = {
  name: z.string().optional(),
  dtype: z.literal('float32').optional(),
  trainable: z.literal(true).optional(),
};
/** Present in every file and null, unless they would change training in ways that are not known here. */
const none = z.null().optional();
const inputShape = z.tuple([z.null(), z.int().min(1)]);

const dense = z.strictObject({
  class_name: z.literal('Dense'),
  config: z.strictObject({
    ...named,
    units: z.int().min(1).max(UNITS_MAX),
    activation: z.enum(ACTIVATIONS).optional(),
    use_bias: z.literal(true).optional(),
    batch_input_shape: inputShape.optional(),
    kernel_initializer: z.unknown().optional(),
    bias_initializer: z.unknown().optional(),
    kernel_regularizer: none,
    bias_regularizer: none,
    activity_regularizer: none,
    kernel_constraint: none,
    bias_constraint: none,
  }),
});
const dropout = z.strictObject({
  class_name: z.literal('Dropout'),
  config: z.strictObject({ ...named, rate: dropoutRate, noise_shape: none, seed: z.unknown().optional() }),
});
const input = z.strictObject({
  class_name: z.literal('InputLayer'),
  config: z.strictObject({ ...named, batch_input_shape: inputShape, sparse: z.literal(false).optional() }),
});
const layerList = z
  .array(z.discriminatedUnion('class_name', [dense, dropout, input]))
  .min(1)
  .max(2 * HIDDEN_MAX + 2);
type Layer = z.infer<typeof layerList>[number];

/**
 * @param value contents of `model.json`, or its list of layers
 * @returns the plain form, `hidden` and `dropout`, where that says it all
 * @throws FederationError PLAN naming the layer and what it may be
 */
export function readLayersModel(value: unknown): LayersShape {
  const parsed = layerList.safeParse(layersIn(value));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const [index, ...path] = issue.path;
    throw refused(
      index === undefined ? issue.message : `layer ${String(index)}: ${path.join('.')}: ${issue.message}`,
    );
  }
  return shapeOf(parsed.data);
}

/** Sequential models keep their layers in `config.layers`, old ones in `config`; Keras wraps that in `model_config`. */
function layersIn(value: unknown): unknown {
  if (Array.isArray(value)) return value;
  const topology = member(value, 'modelTopology') ?? value;
  const model = member(topology, 'model_config') ?? topology;
  const name = member(model, 'class_name');
  if (name !== 'Sequential')
    throw refused(`expected a Sequential model or its list of layers, got ${JSON.stringify(name ?? null)}`);
  const config = member(model, 'config');
  return Array.isArray(config) ? config : member(config, 'layers');
}

function member(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function shapeOf(layers: readonly Layer[]): LayersShape {
  const widths: number[] = [];
  const activations: Activation[] = [];
  const rates: (number | undefined)[] = [];
  let inputs: number | undefined;
  layers.forEach(({ class_name: kind, config }, index) => {
    if ('batch_input_shape' in config && config.batch_input_shape !== undefined) {
      if (index > 0 && layers[index - 1]!.class_name !== 'InputLayer')
        throw refused(`layer ${index}: only the first layer has an input shape`);
      inputs = config.batch_input_shape[1];
    }
    if (kind === 'Dense') {
      widths.push(config.units);
      activations.push(config.activation ?? 'linear');
      rates.push(undefined);
    } else if (kind === 'Dropout') {
      if (rates.length === 0 || rates.at(-1) !== undefined)
        throw refused(`layer ${index}: Dropout stands once behind a hidden Dense layer`);
      rates[rates.length - 1] = config.rate;
    } else if (index > 0) throw refused(`layer ${index}: InputLayer is the first layer or none`);
  });
  const last = activations.pop();
  if (widths.pop() !== 1 || last === 'relu' || rates.pop() !== undefined)
    throw refused('the last layer is Dense of 1 unit, with sigmoid or linear activation and no Dropout');
  if (widths.length > HIDDEN_MAX) throw refused(`at most ${HIDDEN_MAX} hidden layers`);
  return { ...(inputs === undefined ? {} : { inputs }), ...plainest(widths, activations, rates) };
}

function plainest(
  hidden: readonly number[],
  activations: readonly Activation[],
  rates: readonly (number | undefined)[],
): Omit<NetworkShape, 'inputs'> {
  const dropouts = rates.map((rate) => rate ?? 0);
  const [first = 0] = dropouts;
  const even = dropouts.every((rate) => rate === first);
  return {
    hidden,
    dropout: even ? first : 0,
    ...(activations.every((name) => name === 'relu') ? {} : { activations }),
    ...(even ? {} : { dropouts }),
  };
}

function refused(what: string): FederationError {
  return new FederationError('PLAN', `not a layers model that can be trained here: ${what}`);
}
