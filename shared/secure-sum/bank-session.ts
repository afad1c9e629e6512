/** A bank's part in dealing keys: what it advertises, what it deals, and how it checks what others dealt. */
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import { FederationError, describeError } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { drawSecrets, publicKeysOf, type SessionSecrets } from '#shared/secure-sum/deal-secrets.ts';
import type { SlotSecrets } from '#shared/secure-sum/mask-keys.ts';
import { SEED_KINDS, type SessionContext } from '#shared/secure-sum/session-context.ts';
import { dealShares, openPackage, ownShares } from '#shared/secure-sum/share-table.ts';
import { rootsOfTable, shareIn } from '#shared/secure-sum/share-table-layout.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

/** @throws FederationError STATE until all banks have advertised */
export function sessionContext(session: Session): SessionContext {
  if (session.rosterHash === undefined) throw new FederationError('STATE', 'not all banks have advertised');
  return {
    sessionHash: fromHex(session.hash),
    rosterHash: fromHex(session.rosterHash),
    banks: session.payload.participants.length,
    slots: session.payload.slots,
    threshold: session.payload.thresholds.threshold,
  };
}

export function advertisement(
  session: Session,
  bank: number,
  secrets: SessionSecrets,
): Payload<'advertise-keys'> {
  const keys = publicKeysOf(secrets, fromHex(session.hash), bank);
  return {
    session: session.hash,
    from: session.payload.participants[bank]!,
    channelKey: toBase64Url(keys.channelKey),
    slotKeys: keys.slotKeys.map(toBase64Url),
    seedCommitments: keys.seedCommitments.map(toBase64Url),
  };
}

/**
 * @param createRandom a fresh generator from the session's seed: it makes the same secrets again, then the shares
 * @returns the message, and the table that goes with it
 * @throws FederationError ROSTER when the ledger shows other keys of this bank than it advertised
 */
export function dealing(
  session: Session,
  bank: number,
  createRandom: () => RandomBytes,
): { payload: Payload<'share-keys'>; table: Uint8Array<ArrayBuffer> } {
  const context = sessionContext(session);
  const random = createRandom();
  const secrets = drawSecrets(session.payload.slots, random);
  assertOwnKeys(session, bank, secrets);
  const channelKeys = session.payload.participants.map((_, i) => channelKeyOf(session, i));
  const table = dealShares(context, bank, secrets, channelKeys, random);
  return {
    payload: {
      session: session.hash,
      roster: session.rosterHash!,
      from: session.payload.participants[bank]!,
      ...rootsOfTable(table, context, bank),
      table: vectorRoot(table),
    },
    table,
  };
}

/** What one bank holds when a session is sealed: its own seeds and one share of each seed of each dealer. */
export interface HeldKeys {
  /** Hash of the seal-session that these keys were checked against. */
  readonly seal: string;
  /** By slot; undefined once it is over. */
  readonly slots: readonly (SlotSecrets | undefined)[];
  /** By dealer: a text of shares, see `shareIn`; zeros where a slot is over. */
  readonly shares: ReadonlyMap<number, Uint8Array>;
}

/** Without the secrets of one slot: nobody can open it any more with what is left. */
export function withoutSlot(held: HeldKeys, slot: number): HeldKeys {
  return {
    seal: held.seal,
    slots: held.slots.map((secrets, i) => (i === slot ? undefined : secrets)),
    shares: new Map(
      [...held.shares].map(([dealer, text]) => {
        const left = new Uint8Array(text);
        for (const kind of SEED_KINDS) shareIn(left, slot, kind).fill(0);
        return [dealer, left];
      }),
    ),
  };
}

export interface DealerFault {
  readonly against: number;
  readonly code: 'SHARE_CT';
  readonly reason: string;
}

/**
 * Opens and checks what every dealer dealt to this bank.
 * @param packages by dealer; the bank's own is not needed
 */
export function receiveShares(
  session: Session,
  bank: number,
  createRandom: () => RandomBytes,
  packages: ReadonlyMap<number, Uint8Array>,
): { held: HeldKeys; faults: DealerFault[] } {
  const context = sessionContext(session);
  const random = createRandom();
  const secrets = drawSecrets(session.payload.slots, random);
  const shares = new Map<number, Uint8Array>();
  const faults: DealerFault[] = [];
  for (const dealer of session.sealed!.dealers) {
    if (dealer === bank) {
      shares.set(dealer, ownShares(context, bank, secrets, random));
      continue;
    }
    const signed = session.dealt.get(dealer)!;
    const bytes = packages.get(dealer) ?? new Uint8Array(0);
    const theirKey = channelKeyOf(session, dealer);
    try {
      shares.set(dealer, openPackage(bytes, context, dealer, bank, signed, secrets.channelSecret, theirKey));
    } catch (error) {
      faults.push({ against: dealer, code: 'SHARE_CT', reason: asSentence(describeError(error)) });
    }
  }
  return { held: { seal: session.sealed!.hash, slots: secrets.slots, shares }, faults };
}

/** X25519 public keys of one slot, by bank. */
export function slotKeysOf(session: Session, slot: number): Map<number, Uint8Array> {
  return new Map(
    [...session.advertised].map(([index, { payload }]) => [index, fromBase64Url(payload.slotKeys[slot]!)]),
  );
}

export function seedCommitmentsOf(session: Session, slot: number): Map<number, Uint8Array> {
  return new Map(
    [...session.advertised].map(([index, { payload }]) => [
      index,
      fromBase64Url(payload.seedCommitments[slot]!),
    ]),
  );
}

function channelKeyOf(session: Session, index: number): Uint8Array {
  return fromBase64Url(session.advertised.get(index)!.payload.channelKey);
}

/** What the coordinator shows as this bank's keys must be what it advertised. */
function assertOwnKeys(session: Session, bank: number, secrets: SessionSecrets): void {
  const own = advertisement(session, bank, secrets);
  const shown = session.advertised.get(bank)!.payload;
  if (own.channelKey !== shown.channelKey || own.slotKeys.some((key, i) => key !== shown.slotKeys[i])) {
    throw new FederationError('ROSTER', 'the ledger shows other keys of this bank than it advertised');
  }
}
