/** `agent enrol`: makes the identity key here, presents the invitation, writes the configuration. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#shared/platform/clock.ts';
import { agentYaml } from '#participant-agent/config.ts';
import { makeAgentKeys } from '#participant-agent/keys.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { EgressLog, egressOf } from '#participant-agent/state/egress-log.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { askJson } from '#participant-agent/transport/ask-coordinator.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import { VERSION } from '#shared/protocol/version.ts';

export interface Enrolment {
  readonly participant: string;
  readonly fingerprint: string;
  readonly folder: string;
}

/**
 * Safe to repeat: a key that was made before is used again, files that exist are left alone.
 * @throws FederationError INVITATION | KEY_FILE | UNREACHABLE | what the coordinator answers
 */
export async function enrolAgent(
  folder: string,
  code: string,
  dataFile: string,
  passphrase: string | undefined,
  clock: Clock = systemClock,
): Promise<Enrolment> {
  const invitation = readInvitationCode(code);
  const charter = await askJson(new URL('/v1/charter', invitation.url), undefined, undefined);
  if (charter['charter'] !== invitation.charter) {
    throw new FederationError(
      'INVITATION',
      `the coordinator at ${invitation.url} serves another consortium than the invitation names; ask the operator`,
    );
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys = await makeAgentKeys(folder, passphrase, clock);
  const identityKey = toBase64Url(publicKeyOf(keys.identity));
  const witnessKey = toBase64Url(publicKeyOf(keys.witness));
  const { invite, participant, token } = invitation;
  const message = signMessage(
    'enrol',
    { invite, from: participant, token, identityKey, witnessKey, agentVersion: VERSION },
    keys.identity,
  );
  const fingerprint = keyFingerprint(identityKey);
  const detail = `public keys, fingerprint ${fingerprint}`;
  await new EgressLog(folder).record(egressOf(message, invitation.url, clock, { detail }));
  await askJson(new URL('/v1/enrolments', invitation.url), message, undefined);
  await writeNew(
    join(folder, 'agent.yaml'),
    agentYaml({ url: invitation.url, charter: invitation.charter, participant, dataFile }),
  );
  await writeNew(join(folder, 'policy.yaml'), policyYaml());
  return { participant, fingerprint, folder };
}

async function writeNew(path: string, text: string): Promise<void> {
  if (!existsSync(path)) await writeFile(path, text, { mode: 0o600 });
}
