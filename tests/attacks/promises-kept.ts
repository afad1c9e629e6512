/**
 * What may be among all the messages a bank has ever sent, in whatever histories it was told: for one purpose
 * one message, and of one dealer's seeds of one slot shares of one kind only.
 */
import { expect } from 'vitest';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import type { BankMessage, Payload } from '#shared/protocol/messages.ts';
import { SEED_KINDS } from '#shared/secure-sum/session-context.ts';
import { commitmentIn, shareCommitment } from '#shared/secure-sum/share-table-layout.ts';

interface Slot {
  readonly session: string;
  readonly slot: number;
}

export function assertPromisesKept(
  sent: readonly BankMessage[],
  histories: readonly { readonly entries: readonly Entry[] }[],
  bodies: ReadonlyMap<string, Uint8Array>,
): void {
  const ledger = new Ledger(histories);
  const said = new Map<string, string>();
  const kinds = new Map<string, string>();
  for (const message of sent) {
    const purpose = purposeOf(message, ledger);
    if (purpose === undefined) continue;
    const text = canonicalJson(message);
    expect(said.get(purpose) ?? text, `two messages for ${purpose}`).toBe(text);
    said.set(purpose, text);
    if (message.type !== 'unmask') continue;
    for (const [dealer, kind] of kindsIn(message.payload, ledger, bodies)) {
      const seed = `${purpose} of dealer ${dealer}`;
      expect(kinds.get(seed) ?? kind, `both kinds of shares for ${seed}`).toBe(kind);
      kinds.set(seed, kind);
    }
  }
}

class Ledger {
  private readonly slots = new Map<string, Slot>();
  readonly sessions = new Map<string, Payload<'open-session'>>();
  /** By session and dealer: every table that any history shows. */
  readonly tables = new Map<string, string[]>();

  constructor(histories: readonly { readonly entries: readonly Entry[] }[]) {
    const seals = new Map<string, string>();
    for (const { message } of histories.flatMap(({ entries }) => entries)) {
      const { type, payload } = message;
      if (type === 'open-session') this.sessions.set(messageHash(type, payload), payload);
      if (type === 'seal-session') seals.set(messageHash(type, payload), payload.session);
      if (type === 'share-keys') {
        const key = `${payload.session}/${payload.from}`;
        this.tables.set(key, [...(this.tables.get(key) ?? []), payload.table]);
      }
      if (type === 'open-round' && payload.keys !== undefined) {
        const session = seals.get(payload.keys.session) ?? '';
        this.slots.set(messageHash(type, payload), { session, slot: payload.keys.slot });
      }
    }
  }

  slotOf(ctx: string): Slot {
    return this.slots.get(ctx)!;
  }
}

function purposeOf({ type, payload }: BankMessage, ledger: Ledger): string | undefined {
  switch (type) {
    case 'advertise-keys':
    case 'share-keys':
      return `${type} of ${payload.session}`;
    case 'masked-input':
    case 'consistency-check':
    case 'unmask':
    case 'abort-round': {
      const { session, slot } = ledger.slotOf(payload.ctx);
      return `${type === 'unmask' || type === 'abort-round' ? 'verdict' : type} of ${session}/${slot}`;
    }
    default:
      return undefined;
  }
}

/** Of which of its dealer's seeds each revealed share is, by the commitments in the dealers' tables. */
function kindsIn(
  payload: Payload<'unmask'>,
  ledger: Ledger,
  bodies: ReadonlyMap<string, Uint8Array>,
): [string, string][] {
  const { session, slot } = ledger.slotOf(payload.ctx);
  const { participants, slots } = ledger.sessions.get(session)!;
  const to = participants.indexOf(payload.from);
  const layout = { banks: participants.length, slots };
  return payload.shares.flatMap((text): [string, string][] =>
    participants.flatMap((name, from) =>
      SEED_KINDS.filter((kind) => {
        const hash = toHex(shareCommitment(fromHex(session), slot, from, to, kind, fromBase64Url(text)));
        const tables = ledger.tables.get(`${session}/${name}`) ?? [];
        return tables.some(
          (table) => toHex(commitmentIn(bodies.get(table)!, layout, slot, to, kind)) === hash,
        );
      }).map((kind): [string, string] => [name, kind]),
    ),
  );
}
