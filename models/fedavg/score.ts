/** Scores and explains single rows by a network artefact. */
import type { NetworkParameters, StandardisedTransform } from '#models/artefact.ts';
import { createPathAttribution } from '#models/fedavg/path-attribution.ts';
import { createRowTransform, inputRanges } from '#models/preprocessing/transform.ts';
import type { Scorer } from '#models/scorer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { fromBase64 } from '#shared/crypto/base64.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** The weights as numbers. @throws FederationError SCHEMA when they are not base64 of float32 numbers */
export function networkWeights({ weights }: NetworkParameters): Float32Array {
  try {
    return new Float32Array(fromBase64(weights).slice().buffer);
  } catch (cause) {
    throw new FederationError('SCHEMA', 'expected weights as float32 numbers in base64', { cause });
  }
}

/**
 * Log-odds are those of the true PD, whatever loss the network was trained on. Contributions are integrated
 * gradients from the baseline row (see `path-attribution.ts`), summed over the inputs of each contract feature.
 * @param baseline a row, as the scorer takes them
 * @throws FederationError SCHEMA | SHAPE when contract, network and weights do not fit each other
 */
export function createNetworkModelScorer(
  parameters: NetworkParameters,
  transform: StandardisedTransform,
  contract: DataContract,
  baseline: Float64Array,
): Scorer {
  const { network } = parameters;
  const ranges = inputRanges(contract);
  const inputCount = ranges.at(-1)!.end;
  if (network.inputs !== inputCount) {
    throw new FederationError(
      'SHAPE',
      `the contract makes ${inputCount} inputs, the network takes ${network.inputs}`,
    );
  }
  const paths = createPathAttribution(network, networkWeights(parameters), parameters.link);
  const toInputs = createRowTransform(contract, transform);
  const from = new Float32Array(inputCount);
  toInputs(baseline, from);
  const inputs = new Float32Array(inputCount);
  return {
    logit(row) {
      toInputs(row, inputs);
      return paths.logit(inputs);
    },
    contributions(row) {
      toInputs(row, inputs);
      const byInput = paths.attribute(inputs, [from]);
      return Float64Array.from(ranges, ({ start, end }) => {
        let sum = 0;
        for (let i = start; i < end; i++) sum += byInput[i]!;
        return sum;
      });
    },
  };
}
