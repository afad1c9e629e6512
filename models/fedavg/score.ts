/** Scores and explains single rows by a network artefact. */
import type { NetworkParameters, StandardisedTransform } from '#models/artefact.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { createPathAttribution } from '#models/fedavg/path-attribution.ts';
import { createRowTransform, inputRanges } from '#models/preprocessing/transform.ts';
import type { Scorer } from '#models/scorer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

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
