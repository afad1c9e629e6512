/** A network's parameters as an artefact holds them: float32, little-endian, in base64. */
import { fromBase64 } from '#shared/crypto/base64.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** The weights as numbers. @throws FederationError SCHEMA when they are not base64 of float32 numbers */
export function networkWeights({ weights }: { readonly weights: string }): Float32Array {
  try {
    return new Float32Array(fromBase64(weights).slice().buffer);
  } catch (cause) {
    throw new FederationError('SCHEMA', 'expected weights as float32 numbers in base64', { cause });
  }
}
