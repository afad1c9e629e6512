/** What the duties of one bank in one run share: who it is, what it has promised, what it has said. */
import type { Effect } from '#shared/participant/effects.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { OpenRound, Run, Session } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import type { Signer } from '#shared/secure-sum/bank-round.ts';
import type { Promised } from '#shared/secure-sum/promises.ts';

export class OwnPart {
  readonly run: Run;
  readonly id: ParticipantId;
  /** Seed of the bank's identity key. */
  readonly seed: Uint8Array;
  /** What the bank has promised in this run, by purpose. */
  readonly promises: Map<string, Message>;
  /** What this process has said, until the ledger shows it: nothing is said twice. */
  private readonly said = new Set<string>();

  constructor(run: Run, id: ParticipantId, seed: Uint8Array, promises: ReadonlyMap<string, Message>) {
    this.run = run;
    this.id = id;
    this.seed = seed;
    this.promises = new Map(promises);
  }

  sign<Type extends BankMessage['type']>(
    type: Type,
    payload: Message<Type>['payload'],
  ): Message<Type> & BankMessage {
    return signMessage(type, payload, this.seed) as Message<Type> & BankMessage;
  }

  /** Whether this process has said it already. */
  hasSaid(what: string): boolean {
    return this.said.has(what);
  }

  /** For what is signed elsewhere. */
  noteSaid(what: string): void {
    this.said.add(what);
  }

  /**
   * Binds the bank, and says it.
   * @param what names it, see `hasSaid`
   */
  say(
    what: string,
    { message, purposes }: Promised<Message & BankMessage>,
    detail: string,
    more: { readonly open?: OpenRound; readonly body?: Extract<Effect, { do: 'say' }>['body'] } = {},
  ): Effect {
    this.said.add(what);
    for (const purpose of purposes) this.promises.set(purpose, message);
    const round = more.open?.payload.round;
    const { body } = more;
    return { do: 'say', message, purposes, round, detail, ...(body === undefined ? {} : { body }) };
  }

  indexIn(session: Session): number | undefined {
    const index = session.payload.participants.indexOf(this.id);
    return index < 0 ? undefined : index;
  }

  /** Its index, if its shares count in this session. */
  dealerIn(session: Session): number | undefined {
    const index = this.indexIn(session);
    return index !== undefined && session.sealed?.dealers.includes(index) === true ? index : undefined;
  }

  /** @throws FederationError STATE */
  signerIn(session: Session): Signer {
    const bank = this.dealerIn(session);
    if (bank === undefined)
      throw new FederationError('STATE', `this bank dealt no keys in session ${session.hash}`);
    return { bank, seed: this.seed };
  }
}
