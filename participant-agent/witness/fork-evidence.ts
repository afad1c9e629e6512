/**
 * What a bank that has caught its coordinator rewriting history keeps: the head it witnessed, a head of the new
 * history, and the proof that they contradict each other (shared/ledger/fork-proof.ts). Anybody can check it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LedgerIdentity, Witness } from '#participant-agent/witness/witness.ts';
import type { LogKey } from '#shared/ledger/checkpoint.ts';
import { verifyForkProof, type ForkProof } from '#shared/ledger/fork-proof.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

const consistency = z.object({ from: hash, proof: z.array(hash) });

/**
 * Asks the coordinator for its present head and for the proof that it extends its own tree of the size that
 * this bank has witnessed: it incriminates itself.
 * @param get fetches a path of the coordinator as text, without credentials
 * @returns the file's path, and whether both heads are by keys of the ledger that this bank knows
 * @throws FederationError when the coordinator does not answer, or not with what it would need to lie further
 */
export async function keepForkProof(
  folder: string,
  witness: Witness,
  { origin, logKeys }: LedgerIdentity,
  get: (path: string) => Promise<string>,
): Promise<{ file: string; isChecked: boolean }> {
  const { witnessed } = witness;
  if (witnessed === undefined)
    throw new FederationError('STATE', 'no head was witnessed that could be held against it');
  const { size: before } = witnessed.checkpoint;
  const newer = await get('/v1/ledger/checkpoint');
  const size = Number(newer.split('\n', 2)[1]);
  const path = `/v1/ledger/proofs/consistency?from=${before}&to=${size}`;
  const { from: otherRoot, proof } = consistency.parse(JSON.parse(await get(path)));
  const evidence: ForkProof = { v: 1, kind: 'fork', older: witnessed.note, newer, otherRoot, proof };
  const isChecked = isProof(evidence, origin, logKeys);
  await mkdir(join(folder, 'state/forks'), { recursive: true });
  const file = join(folder, 'state/forks', `${before}-${size}.json`);
  await writeFile(file, `${JSON.stringify(evidence, null, 2)}\n`, { mode: 0o600 });
  return { file, isChecked };
}

/**
 * The ledger's key may have changed in either history where this bank has not read it. Then it cannot tell, but
 * whoever has the ledger can: else a coordinator would only have to change its key after rewriting.
 * @throws FederationError SCHEMA | FORK when it proves nothing under any key
 */
function isProof(evidence: ForkProof, origin: string, logKeys: readonly LogKey[]): boolean {
  try {
    verifyForkProof(evidence, origin, logKeys);
    return true;
  } catch (error) {
    if (error instanceof FederationError && error.code === 'SIG') return false;
    throw error;
  }
}
