/**
 * `agent rotate-key`: new keys are made here, the old identity key signs them over, and once the coordinator has
 * recorded that they take its place. Safe to repeat after it was cut short anywhere.
 */
import { systemClock } from '#shared/platform/clock.ts';
import { readAgentConfig, type AgentConfig } from '#participant-agent/config.ts';
import { lockKeys, makeNextKeys, openAgentKeys, promoteNextKeys } from '#participant-agent/keys.ts';
import { EgressLog, egressOf } from '#participant-agent/state/egress-log.ts';
import { askJson } from '#participant-agent/transport/ask-coordinator.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { trustOf, type Trust } from '#participant-agent/transport/trust.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import type { Clock } from '#shared/protocol/clock.ts';

export interface KeyRotation {
  readonly participant: string;
  /** Of the new identity key. */
  readonly fingerprint: string;
}

/**
 * The agent may run meanwhile: it is hung up on, and goes on when it is started again.
 * @throws FederationError CONFIG | KEY_FILE | UNREACHABLE | what the coordinator answers, STORAGE when the keys are being
 *   changed already
 */
export async function rotateAgentKeys(
  folder: string,
  passphrase: string | undefined,
  clock: Clock = systemClock,
): Promise<KeyRotation> {
  const config = await readAgentConfig(folder);
  const trust = await trustOf(folder, config);
  const lock = await lockKeys(folder, clock);
  try {
    return await rotate(folder, config, passphrase, trust, clock);
  } finally {
    await lock.release();
  }
}

async function rotate(
  folder: string,
  { coordinator, participant }: AgentConfig,
  passphrase: string | undefined,
  trust: Trust,
  clock: Clock,
): Promise<KeyRotation> {
  const old = await openAgentKeys(folder, passphrase);
  const next = await makeNextKeys(folder, passphrase);
  const identityKey = toBase64Url(publicKeyOf(next.identity));
  const witnessKey = toBase64Url(publicKeyOf(next.witness));
  const fields = { charter: coordinator.charter, from: participant, identityKey, witnessKey };
  const payload = { ...fields, proof: signNewBankKey(fields, next.identity) };
  const message = signMessage('rotate-key', payload, old.identity);
  const fingerprint = keyFingerprint(identityKey);
  const detail = `new public keys, fingerprint ${fingerprint}`;
  await new EgressLog(folder).record(egressOf(message, coordinator.url, clock, { detail }));
  await askJson(wayTo(coordinator.url, trust), `v1/participants/${participant}/keys`, message);
  await promoteNextKeys(folder);
  return { participant, fingerprint };
}
