/** The model a bank keeps: everything needed to score, and nothing that depends on a training library. */
import { z } from 'zod';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import type { NetworkShape } from '#models/fedavg/network.ts';
import { standardisation, transformTable, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Metrics } from '#models/program.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import { fromBase64, toBase64 } from '#shared/crypto/base64.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

const networkModel = z.strictObject({
  v: z.literal(1),
  kind: z.literal('network'),
  contract: dataContract,
  standardisation,
  network: z.strictObject({ inputs: z.int(), hidden: z.array(z.int()), dropout: z.number() }),
  /** float32, little-endian, in base64; laid out as network.ts says. */
  weights: z.string(),
  /** Hold-out figures when it was trained. */
  metrics: z.record(z.string(), z.number()),
});

export function networkArtefact(
  contract: DataContract,
  fit: Standardisation,
  shape: NetworkShape,
  weights: Float32Array,
  metrics: Metrics,
): Json {
  const network = { inputs: shape.inputs, hidden: [...shape.hidden], dropout: shape.dropout };
  const encoded = toBase64(bytesOf(weights));
  return {
    v: 1,
    kind: 'network',
    contract,
    standardisation: fit,
    network,
    weights: encoded,
    metrics: { ...metrics },
  } as Json;
}

/**
 * Rows of a table to log-odds of bad.
 * @throws FederationError SCHEMA when `artefact` is not a network model
 */
export function networkScorerOf(artefact: unknown): (table: Table) => Float64Array {
  const parsed = networkModel.safeParse(artefact);
  if (!parsed.success)
    throw new FederationError('SCHEMA', 'expected a network model artefact', { cause: parsed.error });
  const model = parsed.data;
  const weights = new Float32Array(fromBase64(model.weights).buffer);
  const score = createNetworkScorer(model.network, weights);
  return (table) => score(transformTable(model.contract, model.standardisation, table), table.rowCount);
}
