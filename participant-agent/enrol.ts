/** `agent enrol`: makes the identity key here, presents the invitation, writes the configuration. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '#shared/platform/clock.ts';
import { agentYaml, correctAgentYaml, readAgentConfig } from '#participant-agent/config.ts';
import { makeAgentKeys } from '#participant-agent/keys.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { EgressLog, egressOf } from '#participant-agent/state/egress-log.ts';
import { askJson } from '#participant-agent/transport/ask-coordinator.ts';
import { trustIn } from '#participant-agent/transport/trust.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { readInvitationCode, type InvitationCode } from '#shared/protocol/invitation-code.ts';
import { VERSION } from '#shared/protocol/version.ts';

export interface Enrolment {
  readonly participant: string;
  readonly fingerprint: string;
  readonly folder: string;
  /** What a repetition has changed in agent.yaml, as sentences. */
  readonly changes: readonly string[];
}

const WORDS = {
  addressIn: 'the invitation: the operator makes another with --public-url',
  trustIn: 'give its certificate with --ca-file FILE (or NODE_EXTRA_CA_CERTS)',
};

/**
 * Safe to repeat: a key that was made before is used again, and what a repetition says otherwise is corrected in
 * agent.yaml; everything else that is there stays.
 * @param dataFile the bank's applicants; undefined keeps what agent.yaml says, `applicants.csv` at first
 * @param caFile PEM file of an authority to trust besides the system's, now and by the agent
 * @throws FederationError INVITATION | KEY_FILE | UNREACHABLE | CONFIG | what the coordinator answers
 */
export async function enrolAgent(
  folder: string,
  code: string,
  dataFile: string | undefined,
  passphrase: string | undefined,
  { clock = systemClock, caFile }: { clock?: Clock; caFile?: string | undefined } = {},
): Promise<Enrolment> {
  const invitation = readInvitationCode(code);
  await assertFolderFits(folder, invitation);
  const trust = caFile === undefined ? undefined : await trustIn(resolve(caFile), '--ca-file');
  const way = wayTo(invitation.url, trust, WORDS);
  const charter = await askJson(way, 'v1/charter');
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
  await askJson(way, 'v1/enrolments', message);
  const changes = await writeConfig(folder, invitation, dataFile, caFile && resolve(caFile));
  const policy = join(folder, 'policy.yaml');
  if (!existsSync(policy)) await writeFile(policy, policyYaml(), { mode: 0o600 });
  return { participant, fingerprint, folder, changes };
}

/** @throws FederationError CONFIG when another bank's agent, or one of another consortium, is in the folder */
async function assertFolderFits(folder: string, { charter, participant }: InvitationCode): Promise<void> {
  if (!existsSync(join(folder, 'agent.yaml'))) return;
  const there = await readAgentConfig(folder);
  if (there.participant === participant && there.coordinator.charter === charter) return;
  throw new FederationError(
    'CONFIG',
    `${folder} is the folder of "${there.participant}" in ${there.coordinator.charter === charter ? 'this consortium' : 'another consortium'}, and the invitation is for "${participant}"; give another --folder`,
  );
}

/** @returns what was changed of a file that was there */
async function writeConfig(
  folder: string,
  { url, charter, participant }: InvitationCode,
  dataFile: string | undefined,
  caFile: string | undefined,
): Promise<readonly string[]> {
  const path = join(folder, 'agent.yaml');
  if (!existsSync(path)) {
    const file = { url, charter, participant, dataFile: dataFile ?? resolve('applicants.csv'), caFile };
    await writeFile(path, agentYaml(file), { mode: 0o600 });
    return [];
  }
  const { text, changes } = correctAgentYaml(await readFile(path, 'utf8'), { url, dataFile, caFile });
  if (changes.length > 0) await writeFile(path, text, { mode: 0o600 });
  return changes;
}
