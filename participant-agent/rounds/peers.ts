/**
 * The other banks' identity keys. The coordinator announces them with the roster; a bank holds them against
 * the fingerprints in its policy and against the first key it saw of each bank.
 */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { publicKeyOf, assertSafePublicKey } from '#shared/crypto/signatures.ts';
import { assertSignedBy } from '#shared/crypto/signed-message.ts';
import { assertHoldsNewKey } from '#shared/ledger/key-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';

/**
 * A bank changed its key. It is believed when the key this bank knows has signed the change; else the next
 * roster with the new key is refused.
 */
export function followPeerKey(message: Message<'rotate-key'>, { state }: AgentContext): void {
  const { from, identityKey } = message.payload;
  const known = state.peerKey(from);
  if (known === undefined || known === identityKey) return;
  try {
    assertSignedBy(message, known);
    assertHoldsNewKey(message.payload);
  } catch {
    return;
  }
  state.followPeer(from, identityKey);
}

/**
 * @throws FederationError STATE when the roster is not made of banks of the plan, SHAPE when keys are missing,
 *   WEAK_KEY, FORBIDDEN when a key is another one than this bank knows
 */
export function pinPeers(
  run: Run,
  { roster, identityKeys, witnessKeys }: Payload<'run-started'>,
  context: AgentContext,
): void {
  const { participants, cohort, aggregation } = run.plan;
  const sorted = roster.every((id, i) => i === 0 || roster[i - 1]! < id);
  if (!sorted || roster.length < cohort.minimum || roster.some((id) => !participants.includes(id))) {
    throw new FederationError(
      'STATE',
      'expected a roster of banks that the plan names, sorted, and enough of them',
    );
  }
  if (witnessKeys.length !== roster.length)
    throw new FederationError('SHAPE', 'expected one witness key for each bank of the run');
  if (aggregation === 'plain') return;
  const { config, seed, state } = context;
  if (identityKeys?.length !== roster.length)
    throw new FederationError('SHAPE', 'expected one identity key for each bank of a masked run');
  const vouched = new Map<string, string>();
  roster.forEach((id, i) => {
    const key = identityKeys[i]!;
    assertSafePublicKey(fromBase64Url(key));
    const pinned =
      state.peerKey(id) ?? (id === config.participant ? toBase64Url(publicKeyOf(seed)) : undefined);
    if (pinned !== undefined && pinned !== key) throw anotherKey(id, key);
    // What the policy says is about the runs it takes part in. This may be a run of long ago, shown after a restart,
    // and the fingerprint that of a key which the bank has changed to since. But no such key is pinned.
    if (isVouched(id, key, context)) vouched.set(id, key);
  });
  state.pinPeers(vouched);
}

/**
 * Before anything is signed in a run: its keys are those of the policy, and this bank's own are right. Only then
 * does its cosignature count, and none can be made up in its name.
 * @throws FederationError FORBIDDEN
 */
export function assertOwnRun(
  run: Run,
  identityKeys: readonly string[] | undefined,
  context: AgentContext,
): void {
  const { config, witness } = context;
  identityKeys?.forEach((key, i) => {
    const id = run.roster[i]!;
    if (!isVouched(id, key, context)) throw anotherKey(id, key);
  });
  // the witness key of a run that is over may be the one this bank had then
  if (run.phase.name === 'finished') return;
  if (run.witnessKeys[run.roster.indexOf(config.participant)] !== witness.key)
    throw new FederationError(
      'FORBIDDEN',
      'the coordinator announces another witness key for this bank than its own',
    );
}

/** A fingerprint in the policy stands for a key and for those it has signed over to. */
function isVouched(id: ParticipantId, key: string, { policy, state }: AgentContext): boolean {
  // "constructor" is a bank's name like any other
  if (!Object.hasOwn(policy.peers, id)) return true;
  return [key, ...state.peerKeys(id)].map(keyFingerprint).includes(policy.peers[id]!.toLowerCase());
}

function anotherKey(id: ParticipantId, key: string): FederationError {
  return new FederationError(
    'FORBIDDEN',
    `the coordinator announces another key of "${id}" than this bank knows (fingerprint ${keyFingerprint(key)}); compare it with "${id}" over another channel`,
  );
}
