/** A bank without a process: its part in masked rounds through the functions that an agent uses. */
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { abortVote, certificate, maskedInput, masksFor, unmask } from '#shared/secure-sum/bank-round.ts';
import {
  advertisement,
  dealing,
  receiveShares,
  type DealerFault,
  type HeldKeys,
} from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { promised, purposes, type Promised, type Promises } from '#shared/secure-sum/promises.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';

/** The process is gone: what it was about to do, it has not done. */
export class Crash extends Error {}

/** Promises that survive a crash, which may come just before or just after one is kept. */
export class MemoryPromises implements Promises {
  private readonly kept: Map<string, Message>;
  private hasForgotten = false;
  /** Throws a `Crash` where one is wanted. */
  onPut: (when: 'before' | 'after', message: Message) => void = () => {};

  constructor(kept: ReadonlyMap<string, Message> = new Map()) {
    this.kept = new Map(kept);
  }

  get(purpose: string): Message | undefined {
    return this.kept.get(purpose);
  }

  async put(all: readonly string[], message: Message): Promise<void> {
    await Promise.resolve();
    for (const purpose of all) {
      if (this.kept.has(purpose) && !this.hasForgotten) throw new Error(`"${purpose}" was promised before`);
    }
    this.onPut('before', message);
    for (const purpose of all) this.kept.set(purpose, message);
    this.onPut('after', message);
  }

  /** What was promised before the simulation. */
  remember(purpose: string, message: Message): void {
    this.kept.set(purpose, message);
  }

  /** By purpose. */
  get all(): ReadonlyMap<string, Message> {
    return this.kept;
  }

  copy(): MemoryPromises {
    return new MemoryPromises(this.kept);
  }

  /** What no honest bank ever does. */
  forget(purpose: RegExp): void {
    this.hasForgotten = true;
    for (const kept of this.kept.keys()) if (purpose.test(kept)) this.kept.delete(kept);
  }
}

/** From which all secrets of a simulated bank in a session come. */
export function sessionSeed(session: string, id: ParticipantId): Uint8Array {
  return sha256(utf8(`${session} of ${id}`));
}

/** A bank's durable part: identity, promises and sealed keys. */
export class SimulatedBank {
  readonly id: ParticipantId;
  /** Its identity key. */
  readonly seed: Uint8Array;
  promises = new MemoryPromises();
  /** Keys of sealed sessions by session. */
  readonly held = new Map<string, HeldKeys>();
  protected readonly tables: Map<string, Uint8Array>;

  /** @param tables where share tables go to and come from, by their root */
  constructor(id: ParticipantId, tables: Map<string, Uint8Array>, seed = sha256(utf8(`simulated ${id}`))) {
    this.id = id;
    this.tables = tables;
    this.seed = seed;
  }

  get identityKey(): string {
    return toBase64Url(publicKeyOf(this.seed));
  }

  sign<Type extends MessageType>(type: Type, payload: Payload<Type>): Message<Type> {
    return signMessage(type, payload, this.seed) as Message<Type>;
  }

  indexIn(session: Session): number {
    return session.payload.participants.indexOf(this.id);
  }

  advertise(session: Session): Promise<Message<'advertise-keys'>> {
    const secrets = drawSecrets(session.payload.slots, this.randomOf(session.hash));
    const advertised = promised(
      this.promises,
      purposes.advertise(session.hash),
      () => this.sign('advertise-keys', advertisement(session, this.indexIn(session), secrets)),
      (earlier): earlier is Message<'advertise-keys'> => earlier.type === 'advertise-keys',
    );
    return this.keep(advertised);
  }

  async deal(session: Session): Promise<Message<'share-keys'>> {
    const bank = this.indexIn(session);
    const { payload, table } = dealing(session, bank, () => this.randomOf(session.hash));
    const dealt = promised(
      this.promises,
      purposes.deal(session.hash),
      () => this.sign('share-keys', payload),
      (earlier): earlier is Message<'share-keys'> =>
        earlier.type === 'share-keys' && earlier.payload.table === payload.table,
    );
    const message = await this.keep(dealt);
    this.tables.set(payload.table, table);
    return message;
  }

  receive(session: Session): DealerFault[] {
    const bank = this.indexIn(session);
    const { participants, slots } = session.payload;
    const layout = { banks: participants.length, slots };
    const packages = new Map(
      session.sealed!.dealers.map((dealer) => {
        const table = this.tables.get(session.dealt.get(dealer)!.table)!;
        return [dealer, packageFor(table, layout, bank)];
      }),
    );
    return this.receivePackages(session, packages);
  }

  receivePackages(session: Session, packages: ReadonlyMap<number, Uint8Array>): DealerFault[] {
    const bank = this.indexIn(session);
    const { held, faults } = receiveShares(session, bank, () => this.randomOf(session.hash), packages);
    if (faults.length === 0) this.held.set(session.hash, held);
    return faults;
  }

  /** @param words the plain vector; masked in place */
  async input(open: OpenRound, words: RingWords): Promise<Message<'masked-input'>> {
    const { session } = open.masked!;
    applyMasks(words, masksFor(open, this.indexIn(session), this.keysOf(session)));
    return this.keep(maskedInput(open, this.signerIn(session), vectorRoot(words), this.promises));
  }

  certify(open: OpenRound): Promise<Message<'consistency-check'>> {
    return this.keep(certificate(open, this.signerIn(open.masked!.session), this.promises));
  }

  reveal(open: OpenRound): Promise<Message<'unmask'>> {
    const { session } = open.masked!;
    return this.keep(unmask(open, this.signerIn(session), this.keysOf(session), this.promises));
  }

  vote(open: OpenRound): Promise<Message<'abort-round'>> {
    return this.keep(abortVote(open, this.signerIn(open.masked!.session), this.promises));
  }

  /** The generator from which all secrets of a session come, always from its beginning. */
  randomOf(session: string) {
    return seededBytes(sessionSeed(session, this.id));
  }

  keysOf(session: Session): HeldKeys {
    const keys = this.held.get(session.hash);
    if (keys === undefined) throw new Error(`${this.id} has no keys of this session`);
    return keys;
  }

  private async keep<M extends Message>({ message, purposes: all }: Promised<M>): Promise<M> {
    if (all.length > 0) await this.promises.put(all, message);
    return message;
  }

  private signerIn(session: Session) {
    return { bank: this.indexIn(session), seed: this.seed };
  }
}
