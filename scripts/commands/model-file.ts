/** A model as an agent has kept it: one file, unchanged. */
import { readFile } from 'node:fs/promises';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { parseCanonicalJson } from '#shared/crypto/canonical-json.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

export interface ModelFile {
  readonly artefact: ModelArtefact;
  /** By which ledger and agents name the model. */
  readonly root: string;
}

/** @throws FederationError USAGE when it cannot be read, CANON | SCHEMA when it is no artefact, byte for byte */
export async function readModelFile(path: string): Promise<ModelFile> {
  let content: Uint8Array;
  try {
    content = await readFile(path);
  } catch (cause) {
    throw new FederationError('USAGE', `${path} cannot be read: ${describeError(cause)}`, { cause });
  }
  const text = new TextDecoder().decode(content);
  return { artefact: parseArtefact(parseCanonicalJson(text)), root: vectorRoot(content) };
}
