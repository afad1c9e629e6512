/**
 * A bank that the test plays: right keys and right mathematics, but no memory of what it has signed, so that
 * it signs whatever a history asks for. To the bank under attack it looks like any other.
 */
import type { AskedQuestion } from '#models/run-machine.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message, Payload } from '#shared/protocol/messages.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { abortVote, certificate, masksFor, unmask, type Signer } from '#shared/secure-sum/bank-round.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { advertisement, dealing, receiveShares, type HeldKeys } from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import type { Promises } from '#shared/secure-sum/promises.ts';
import type { SeedKind } from '#shared/secure-sum/session-context.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';
import { shareIn } from '#shared/secure-sum/share-table-layout.ts';
import { bodyOf, stubAnswer, type StubBody } from '../support/stub-answers.ts';

const forgetful: Promises = { get: () => undefined };

export type Bodies = ReadonlyMap<string, Uint8Array>;

export class PlayedBank {
  readonly id: ParticipantId;
  readonly seed: Uint8Array;

  constructor(id: string, seed = sha256(utf8(`attacks/identity/${id}`))) {
    this.id = participantId.parse(id);
    this.seed = seed;
  }

  get identityKey(): string {
    return toBase64Url(publicKeyOf(this.seed));
  }

  sign<Type extends BankMessage['type']>(type: Type, payload: Payload<Type>): Message<Type> {
    return signMessage(type, payload, this.seed) as Message<Type>;
  }

  advertise(session: Session): Message<'advertise-keys'> {
    const secrets = drawSecrets(session.payload.slots, this.randomOf(session)());
    return this.sign('advertise-keys', advertisement(session, this.indexIn(session), secrets));
  }

  deal(session: Session): { message: Message<'share-keys'>; table: Uint8Array } {
    const { payload, table } = dealing(session, this.indexIn(session), this.randomOf(session));
    return { message: this.sign('share-keys', payload), table };
  }

  /** What it was dealt, from the tables of all dealers. */
  heldOf(session: Session, bodies: Bodies): HeldKeys {
    const bank = this.indexIn(session);
    const packages = new Map(
      session.sealed!.dealers.map((dealer) => [dealer, packageOf(session, dealer, bank, bodies)]),
    );
    const { held, faults } = receiveShares(session, bank, this.randomOf(session), packages);
    if (faults.length > 0) throw new Error(faults[0]!.reason);
    return held;
  }

  input(
    open: OpenRound,
    { question }: AskedQuestion,
    bodies: Bodies,
  ): StubBody & { message: Message<'masked-input'> } {
    const { session, slot } = maskedOf(open);
    const words = encodeFields(stubAnswer(question, this.id), question.fields, question.ring, 'unused');
    applyMasks(words, masksFor(open, this.indexIn(session), this.heldOf(session, bodies)));
    const body = bodyOf(words);
    const { ring, length } = open.payload.question;
    const payload = { ctx: open.hash, from: this.id, slot, ring, length, vectorRoot: body.root };
    return { ...body, message: this.sign('masked-input', payload) };
  }

  certify(open: OpenRound): Message<'consistency-check'> {
    return certificate(open, this.signer(open), this.inputOnly(open)).message;
  }

  unmask(open: OpenRound, bodies: Bodies): Message<'unmask'> {
    const held = this.heldOf(maskedOf(open).session, bodies);
    return unmask(open, this.signer(open), held, this.inputOnly(open)).message;
  }

  /** Its shares of this kind of each dealer's seeds, whatever it may reveal. */
  sharesOf(open: OpenRound, kind: SeedKind, bodies: Bodies): string[] {
    const { session, slot } = maskedOf(open);
    const { shares } = this.heldOf(session, bodies);
    return [...shares.values()].map((text) => toBase64Url(shareIn(text, slot, kind)));
  }

  vote(open: OpenRound): Message<'abort-round'> {
    return abortVote(open, this.signer(open), forgetful).message;
  }

  private signer(open: OpenRound): Signer {
    return { bank: this.indexIn(maskedOf(open).session), seed: this.seed };
  }

  /** It remembers no more than the vector that the history shows. */
  private inputOnly(open: OpenRound): Promises {
    const { session, slot } = maskedOf(open);
    const shown = open.inputs.get(this.indexIn(session));
    const { ring, length } = open.payload.question;
    const input =
      shown &&
      this.sign('masked-input', {
        ...{ ctx: open.hash, from: this.id, slot, ring, length },
        vectorRoot: shown.vectorRoot,
      });
    return { get: (purpose) => (purpose.endsWith('/input') ? input : undefined) };
  }

  private indexIn(session: Session): number {
    return session.payload.participants.indexOf(this.id);
  }

  private randomOf(session: Session) {
    return () => seededBytes(sha256(utf8(`attacks/session/${this.id}/${session.hash}`)));
  }
}

/** What one dealer dealt to one bank. */
export function packageOf(session: Session, dealer: number, to: number, bodies: Bodies): Uint8Array {
  const layout = { banks: session.payload.participants.length, slots: session.payload.slots };
  return packageFor(bodies.get(session.dealt.get(dealer)!.table)!, layout, to);
}
