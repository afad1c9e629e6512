/**
 * A bank's part in one masked round. What it signs follows from the ledger and from what it has signed
 * before, never from a list that the coordinator sends. Each function gives the message to be sent, once it
 * is kept (see promises.ts).
 */
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import { assertCertified } from '#shared/ledger/masked-rules.ts';
import { survivorsHash } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { slotKeysOf, type HeldKeys } from '#shared/secure-sum/bank-session.ts';
import { inputMasks, type Mask } from '#shared/secure-sum/mask-keys.ts';
import { openedSeed } from '#shared/secure-sum/open-sum.ts';
import { promised, purposes, type Promised, type Promises } from '#shared/secure-sum/promises.ts';
import { shareIn } from '#shared/secure-sum/share-table-layout.ts';

/** Who signs: index in the session, and the identity key. */
export interface Signer {
  readonly bank: number;
  readonly seed: Uint8Array;
}

/**
 * Before anything is computed: the slot is unused, the sum of this question was never opened, and earlier
 * attempts are the ones this bank took part in. (That enough banks voted to ask again is a rule of the ledger.)
 * @param earlier attempts at the same question that the ledger shows
 * @throws FederationError EQUIVOCATION | REPLAY
 */
export function assertMayAnswer(open: OpenRound, earlier: readonly OpenRound[], promises: Promises): void {
  const { session, slot } = maskedOf(open);
  for (const round of [...earlier, open]) attemptOf(round, promises);
  const used = promises.get(purposes.input(session.hash, slot));
  if (used !== undefined && ctxOf(used) !== open.hash) {
    throw new FederationError('EQUIVOCATION', `slot ${slot} was already used for another round`);
  }
  assertNotOpened(open, promises);
  if (promises.get(purposes.verdict(session.hash, slot)) !== undefined) {
    throw new FederationError('REPLAY', `slot ${slot} is over for this bank`);
  }
}

/** The masks of this bank's vector. */
export function masksFor(open: OpenRound, bank: number, held: HeldKeys): Mask[] {
  const { session, slot } = maskedOf(open);
  assertSealed(session, held);
  const secrets = held.slots[slot];
  if (secrets === undefined) throw new FederationError('STATE', `the keys of slot ${slot} are gone`);
  return inputMasks(
    fromHex(open.hash),
    slot,
    bank,
    secrets,
    session.sealed!.dealers,
    slotKeysOf(session, slot),
  );
}

export function maskedInput(
  open: OpenRound,
  signer: Signer,
  vectorRoot: string,
  promises: Promises,
): Promised<Message<'masked-input'>> {
  const { session, slot } = maskedOf(open);
  const from = session.payload.participants[signer.bank]!;
  const { ring, length } = open.payload.question;
  return promised(
    promises,
    purposes.input(session.hash, slot),
    () => signMessage('masked-input', { ctx: open.hash, from, slot, ring, length, vectorRoot }, signer.seed),
    (earlier): earlier is Message<'masked-input'> =>
      earlier.type === 'masked-input' &&
      earlier.payload.ctx === open.hash &&
      earlier.payload.vectorRoot === vectorRoot,
    attemptOf(open, promises),
  );
}

/**
 * Certifies the survivors that the ledger shows: enough of them, this bank's own vector among them as it was
 * sent or not at all, and nothing else certified for this slot before.
 * @throws FederationError COHORT | EQUIVOCATION
 */
export function certificate(
  open: OpenRound,
  signer: Signer,
  promises: Promises,
): Promised<Message<'consistency-check'>> {
  const { session, slot } = maskedOf(open);
  assertNotOpened(open, promises);
  const survivors = assertOwnSurvivors(open, signer, promises);
  const verdict = promises.get(purposes.verdict(session.hash, slot));
  if (verdict !== undefined && (verdict.type !== 'unmask' || verdict.payload.survivors !== survivors)) {
    throw new FederationError('EQUIVOCATION', `slot ${slot} is over for this bank`);
  }
  const from = session.payload.participants[signer.bank]!;
  return promised(
    promises,
    purposes.certificate(session.hash, slot),
    () => signMessage('consistency-check', { ctx: open.hash, slot, from, survivors }, signer.seed),
    (earlier): earlier is Message<'consistency-check'> =>
      earlier.type === 'consistency-check' &&
      earlier.payload.ctx === open.hash &&
      earlier.payload.survivors === survivors,
    attemptOf(open, promises),
  );
}

/**
 * Reveals one share for each dealer. Which kind follows from the survivors that a quorum has certified and
 * this bank has certified itself (or certifies hereby).
 * @throws FederationError CERTIFICATE | EQUIVOCATION | COHORT
 */
export function unmask(
  open: OpenRound,
  signer: Signer,
  held: HeldKeys,
  promises: Promises,
): Promised<Message<'unmask'>> {
  const masked = maskedOf(open);
  const { session, slot, fixed } = masked;
  assertNotOpened(open, promises);
  const survivors = assertOwnSurvivors(open, signer, promises);
  assertSealed(session, held);
  assertCertified(masked, signer.bank);
  const certified = promises.get(purposes.certificate(session.hash, slot));
  if (certified?.type === 'consistency-check' && certified.payload.survivors !== survivors) {
    throw new FederationError('EQUIVOCATION', 'this bank has certified other survivors for this slot');
  }
  const from = session.payload.participants[signer.bank]!;
  return promised(
    promises,
    purposes.verdict(session.hash, slot),
    () => {
      const shares = session.sealed!.dealers.map((dealer) =>
        toBase64Url(shareIn(held.shares.get(dealer)!, slot, openedSeed(dealer, fixed!.survivors))),
      );
      return signMessage('unmask', { ctx: open.hash, slot, from, survivors, shares }, signer.seed);
    },
    (earlier): earlier is Message<'unmask'> =>
      earlier.type === 'unmask' &&
      earlier.payload.ctx === open.hash &&
      earlier.payload.survivors === survivors,
    [...attemptOf(open, promises), purposes.opened(open.payload.question.hash)],
  );
}

/** @throws FederationError EQUIVOCATION when shares were revealed for this slot */
export function abortVote(
  open: OpenRound,
  signer: Signer,
  promises: Promises,
): Promised<Message<'abort-round'>> {
  const { session, slot } = maskedOf(open);
  const from = session.payload.participants[signer.bank]!;
  const query = open.payload.question.hash;
  return promised(
    promises,
    purposes.verdict(session.hash, slot),
    () => signMessage('abort-round', { ctx: open.hash, slot, from, query }, signer.seed),
    (earlier): earlier is Message<'abort-round'> =>
      earlier.type === 'abort-round' && earlier.payload.ctx === open.hash,
    attemptOf(open, promises),
  );
}

/**
 * What this bank holds belongs to one seal: one set of dealers and of dealt shares.
 * @throws FederationError EQUIVOCATION
 */
function assertSealed(session: Session, held: HeldKeys): void {
  if (session.sealed?.hash !== held.seal)
    throw new FederationError('EQUIVOCATION', 'the session was sealed differently when this bank checked it');
}

/**
 * Binds an attempt at a question to one round.
 * @returns the purpose to be promised along, unless it is already
 * @throws FederationError EQUIVOCATION when this bank took part in another round of that number
 */
function attemptOf(open: OpenRound, promises: Promises): string[] {
  const { question, attempt } = open.payload;
  const purpose = purposes.attempt(question.hash, attempt);
  const earlier = promises.get(purpose);
  if (earlier === undefined) return [purpose];
  if (ctxOf(earlier) === open.hash) return [];
  throw new FederationError(
    'EQUIVOCATION',
    `this bank took part in another round as attempt ${attempt} at this question: the coordinator shows two histories`,
  );
}

/**
 * With other banks in it, a second sum of the same answers would show the difference: one bank.
 * @throws FederationError REPLAY
 */
function assertNotOpened(open: OpenRound, promises: Promises): void {
  const opened = promises.get(purposes.opened(open.payload.question.hash));
  if (opened !== undefined && ctxOf(opened) !== open.hash) {
    throw new FederationError(
      'REPLAY',
      'this bank has opened the sum of this very question in another round',
    );
  }
}

function ctxOf(message: Message): string | undefined {
  return 'ctx' in message.payload ? message.payload.ctx : undefined;
}

/** @returns the hash of the survivors, computed from the signed vectors in the ledger */
function assertOwnSurvivors(open: OpenRound, signer: Signer, promises: Promises): string {
  const { session, slot, fixed } = maskedOf(open);
  if (fixed === undefined) throw new FederationError('STATE', 'the survivors are not fixed yet');
  const { minimum } = session.payload.thresholds;
  if (fixed.survivors.length < minimum) {
    throw new FederationError(
      'COHORT',
      `${fixed.survivors.length} banks are in the sum, ${minimum} are needed`,
    );
  }
  const hash = survivorsHash(open);
  const own: Message | undefined = promises.get(purposes.input(session.hash, slot));
  const shown = open.inputs.get(signer.bank);
  if (
    hash !== fixed.hash ||
    (own !== undefined && ctxOf(own) !== open.hash) ||
    (shown !== undefined &&
      (own?.type !== 'masked-input' ||
        own.payload.ctx !== open.hash ||
        own.payload.vectorRoot !== shown.vectorRoot))
  ) {
    throw new FederationError('EQUIVOCATION', 'the survivors contain another vector than this bank sent');
  }
  return hash;
}
