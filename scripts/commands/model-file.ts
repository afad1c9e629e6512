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
  return { artefact: artefactIn(path, content), root: vectorRoot(content) };
}

function artefactIn(path: string, content: Uint8Array): ModelArtefact {
  let value: unknown;
  try {
    value = parseCanonicalJson(new TextDecoder().decode(content));
  } catch (cause) {
    throw new FederationError(
      'CANON',
      `${path} is no model as an agent has kept it, byte for byte: another file, or one that was edited (${describeError(cause)})`,
      { cause },
    );
  }
  if ((value as { kind?: unknown } | null)?.kind === 'profile')
    throw new FederationError(
      'SCHEMA',
      `${path} is a profile of the consortium, not a model; read it with "tallystick data profile"`,
    );
  return parseArtefact(value as Parameters<typeof parseArtefact>[0]);
}
