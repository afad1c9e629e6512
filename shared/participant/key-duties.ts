/**
 * Keys for masked rounds:
 *
 *   open-session → advertise keys     all advertised → deal shares     seal-session → check what was dealt
 *
 * and a slot's secrets are forgotten when its round is over.
 */
import type { Effect, KeptKeys } from '#shared/participant/effects.ts';
import type { OwnPart } from '#shared/participant/own-part.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';
import {
  advertisement,
  dealing,
  receiveShares,
  withoutSlot,
  type HeldKeys,
} from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { promised, purposes } from '#shared/secure-sum/promises.ts';

type Stage = 'asked' | 'known' | 'fetching' | 'over';

export class KeyDuties {
  private readonly own: OwnPart;
  private readonly kept = new Map<string, KeptKeys>();
  private readonly stages = new Map<string, Stage>();
  /** What came of shares that were fetched, to be done next. */
  private readonly due: Effect[] = [];

  constructor(own: OwnPart) {
    this.own = own;
  }

  /** What is kept of a session is here. */
  opened(session: string, kept: KeptKeys): void {
    this.kept.set(session, kept);
    this.stages.set(session, 'known');
  }

  /** Sessions of which something may be kept. */
  get sessions(): readonly string[] {
    return [...this.kept.keys()];
  }

  /**
   * The keys of a session's rounds; undefined while they are not here yet, and what must be done first.
   * @throws FederationError STATE when the keys are gone, or were never complete
   */
  heldOf({ hash }: Session): HeldKeys | undefined {
    const stage = this.stages.get(hash);
    if (stage === undefined || stage === 'asked' || stage === 'fetching') return undefined;
    const held = this.kept.get(hash)?.held;
    if (held === undefined)
      throw new FederationError('STATE', `this bank has no complete keys of session ${hash}`);
    return held;
  }

  next(): Effect | undefined {
    const due = this.due.shift();
    if (due !== undefined) return due;
    const { session } = this.own.run;
    if (session === undefined || session.isVoid) return undefined;
    const bank = this.own.indexIn(session);
    if (bank === undefined) return undefined;
    if (session.sealed === undefined) return this.dealDuty(session, bank);
    if (this.own.dealerIn(session) === undefined) return undefined;
    const stage = this.stages.get(session.hash);
    if (stage === undefined) return this.openKeys(session, false);
    if (stage !== 'known') return undefined;
    const { seed, held } = this.kept.get(session.hash)!;
    if (held !== undefined) return this.forgetSlot(session, held);
    if (seed === undefined) return undefined; // gone: the round will be refused
    this.stages.set(session.hash, 'fetching');
    return { do: 'fetch-shares', session: session.hash, dealers: session.sealed.dealers };
  }

  /** What the dealers sent must open and fit, or is complained about. */
  received(hash: string, packages: ReadonlyMap<number, Uint8Array> | undefined): void {
    const { session } = this.own.run;
    this.stages.set(hash, 'over');
    if (packages === undefined || session?.hash !== hash || session.isVoid) return;
    const { bank } = this.own.signerIn(session);
    const { seed } = this.kept.get(hash)!;
    const { held, faults } = receiveShares(session, bank, () => seededBytes(seed!), packages);
    for (const { against, code, reason } of faults) {
      const complaint = { session: hash, from: this.own.id, against, code, reason };
      const message = this.own.sign('complain', complaint);
      this.due.push(
        { do: 'report', level: 'warn', text: `bank ${against}: ${reason}` },
        this.own.say(`${hash}/complain/${against}`, { message, purposes: [] }, reason),
      );
    }
    if (faults.length > 0) return;
    this.stages.set(hash, 'known');
    this.kept.set(hash, { held });
    this.due.push({ do: 'keep-keys', session: hash, held, isNew: true });
    for (const other of this.sessions) {
      if (other === hash) continue;
      this.kept.delete(other);
      this.due.push({ do: 'forget-keys', session: other });
    }
  }

  private openKeys({ hash }: Session, make: boolean): Effect {
    this.stages.set(hash, 'asked');
    return { do: 'open-keys', session: hash, make };
  }

  private dealDuty(session: Session, bank: number): Effect | undefined {
    const { hash, payload } = session;
    const { own } = this;
    const advertised = own.promises.get(purposes.advertise(hash));
    const stage = this.stages.get(hash);
    if (stage === undefined) return this.openKeys(session, advertised === undefined);
    const seed = this.kept.get(hash)?.seed;
    if (stage !== 'known' || seed === undefined) return undefined;
    if (!session.advertised.has(bank)) {
      if (own.hasSaid(purposes.advertise(hash))) return undefined;
      const message = promised(
        own.promises,
        purposes.advertise(hash),
        () =>
          own.sign(
            'advertise-keys',
            advertisement(session, bank, drawSecrets(payload.slots, seededBytes(seed))),
          ),
        (earlier): earlier is Message<'advertise-keys'> => earlier.type === 'advertise-keys',
      );
      return own.say(purposes.advertise(hash), message, `keys for ${payload.slots} rounds`);
    }
    if (session.rosterHash === undefined || session.dealt.has(bank) || own.hasSaid(purposes.deal(hash)))
      return undefined;
    const { payload: dealt, table } = dealing(session, bank, () => seededBytes(seed));
    const message = promised(
      own.promises,
      purposes.deal(hash),
      () => own.sign('share-keys', dealt),
      (earlier): earlier is Message<'share-keys'> =>
        earlier.type === 'share-keys' && earlier.payload.table === dealt.table,
    );
    const body = { root: dealt.table, bytes: table };
    return own.say(
      purposes.deal(hash),
      message,
      `encrypted shares for ${payload.participants.length} banks`,
      {
        body,
      },
    );
  }

  /** A round that is over: the slot's secrets are of no more use to anybody honest. */
  private forgetSlot(session: Session, held: HeldKeys): Effect | undefined {
    const { phase } = this.own.run;
    const inUse = phase.name === 'collecting' ? phase.open.masked?.slot : undefined;
    const slot = held.slots.findIndex(
      (secrets, i) => secrets !== undefined && i < session.nextSlot && i !== inUse,
    );
    if (slot < 0) return undefined;
    const left = withoutSlot(held, slot);
    this.kept.set(session.hash, { held: left });
    return { do: 'keep-keys', session: session.hash, held: left, isNew: false };
  }
}
