/**
 * The other banks' identity keys. The coordinator announces them with the roster; a bank holds them against
 * the fingerprints in its policy and against the first key it saw of each bank.
 */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { publicKeyOf, assertSafePublicKey } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Payload } from '#shared/protocol/messages.ts';

/** @throws FederationError FORBIDDEN | SHAPE | WEAK_KEY */
export function pinPeers({ roster, identityKeys }: Payload<'run-started'>, context: AgentContext): void {
  if (identityKeys === undefined) return;
  const { config, policy, seed, federation, state } = context;
  if (identityKeys.length !== roster.length)
    throw new FederationError('SHAPE', 'expected one identity key for each bank of the roster');
  roster.forEach((id, i) => {
    const key = identityKeys[i]!;
    assertSafePublicKey(fromBase64Url(key));
    const own = id === config.participant ? toBase64Url(publicKeyOf(seed)) : undefined;
    const pinned = own ?? state.peerKey(id);
    const fingerprint = policy.peers[id];
    if (
      (pinned !== undefined && pinned !== key) ||
      (fingerprint !== undefined && fingerprint.toLowerCase() !== keyFingerprint(key))
    ) {
      throw new FederationError(
        'FORBIDDEN',
        `the coordinator announces another key of "${id}" than this bank knows (fingerprint ${keyFingerprint(key)}); compare it with "${id}" over another channel`,
      );
    }
    federation.participants.set(id, {
      id,
      identityKey: key,
      enrol: '',
      status: 'admitted',
      enrolledAt: 0,
    });
  });
  state.pinPeers(new Map(roster.map((id, i) => [id, identityKeys[i]!])));
}
