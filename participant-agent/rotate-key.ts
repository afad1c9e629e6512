/**
 * `agent rotate-key`: new keys are made here, the old identity key signs them over, and once the coordinator has
 * recorded that they take its place. Safe to repeat after it was cut short anywhere.
 */
import { readAgentConfig } from '#participant-agent/config.ts';
import { makeNextKeys, openAgentKeys, promoteNextKeys } from '#participant-agent/keys.ts';
import { fetchJson } from '#participant-agent/transport/fetch-json.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';

export interface KeyRotation {
  readonly participant: string;
  /** Of the new identity key. */
  readonly fingerprint: string;
}

/** @throws FederationError CONFIG | KEY_FILE | UNREACHABLE | what the coordinator answers */
export async function rotateAgentKeys(folder: string, passphrase: string | undefined): Promise<KeyRotation> {
  const { coordinator, participant } = await readAgentConfig(folder);
  const old = await openAgentKeys(folder, passphrase);
  const next = await makeNextKeys(folder, passphrase);
  const identityKey = toBase64Url(publicKeyOf(next.identity));
  const witnessKey = toBase64Url(publicKeyOf(next.witness));
  const fields = { charter: coordinator.charter, from: participant, identityKey, witnessKey };
  const payload = { ...fields, proof: signNewBankKey(fields, next.identity) };
  await fetchJson(
    new URL(`/v1/participants/${participant}/keys`, coordinator.url),
    signMessage('rotate-key', payload, old.identity),
  );
  await promoteNextKeys(folder);
  return { participant, fingerprint: keyFingerprint(identityKey) };
}
