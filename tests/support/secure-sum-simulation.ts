/**
 * Masked rounds in memory: signed messages, the fold that everybody uses, and banks that take their part
 * through the same functions as an agent. No sockets, no disk, no clock: a crash is an exception at a promise.
 */
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { recordEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type OpenRound, type Run, type Session } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/round-rules.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { participantId, runId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import type { Ring } from '#shared/ring/field.ts';
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
import { promise, purposes, type Promises } from '#shared/secure-sum/promises.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { tinyPlan } from './tiny-bank-data.ts';

/** When everything happens, and when it should have happened. */
export const SIMULATED_TIME = 1_000_000;
export const SIMULATED_DEADLINE = SIMULATED_TIME + 60_000;

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Bank `i` of any consortium, by its sorted name. */
export function bankName(index: number): ParticipantId {
  return participantId.parse(`bank-${String(index).padStart(3, '0')}`);
}

/** The process is gone: what it was about to do, it has not done. */
export class Crash extends Error {}

/** Promises that survive a crash, which may come just before or just after one is kept. */
export class MemoryPromises implements Promises {
  private readonly kept: Map<string, BankMessage>;
  private hasForgotten = false;
  /** Throws a `Crash` where one is wanted. */
  onPut: (when: 'before' | 'after', message: BankMessage) => void = () => {};

  constructor(kept: ReadonlyMap<string, BankMessage> = new Map()) {
    this.kept = new Map(kept);
  }

  get(purpose: string): BankMessage | undefined {
    return this.kept.get(purpose);
  }

  async put(all: readonly string[], message: BankMessage): Promise<void> {
    await Promise.resolve();
    for (const purpose of all) {
      if (this.kept.has(purpose) && !this.hasForgotten) throw new Error(`"${purpose}" was promised before`);
    }
    this.onPut('before', message);
    for (const purpose of all) this.kept.set(purpose, message);
    this.onPut('after', message);
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

/** Signatures that were verified once; the same message comes in many histories. */
const verified = new Set<string>();

/** A ledger, or the history that one bank is shown. */
export class SimulatedLedger {
  readonly entries: RecordedEntry[] = [];
  readonly state = emptyFederation();

  /** @throws FederationError when the message may not be the next entry */
  append(message: Message): RecordedEntry {
    const recorded = recordEntry({ seq: this.entries.length, time: SIMULATED_TIME, message });
    const key = `${recorded.hash} ${message.sig}`;
    if (!verified.has(key)) {
      assertAuthentic(this.state, message);
      verified.add(key);
    }
    assertAdmissible(this.state, message, SIMULATED_TIME);
    this.take(recorded);
    return recorded;
  }

  /** A history that has gone the same way so far. */
  fork(size = this.entries.length): SimulatedLedger {
    const fork = new SimulatedLedger();
    for (const recorded of this.entries.slice(0, size)) fork.take(recorded);
    return fork;
  }

  get run(): Run {
    return [...this.state.runs.values()][0]!;
  }

  get session(): Session {
    return this.run.session!;
  }

  get open(): OpenRound {
    const { phase } = this.run;
    if (phase.name !== 'collecting') throw new Error(`the run is ${phase.name}`);
    return phase.open;
  }

  private take(recorded: RecordedEntry): void {
    apply(this.state, recorded);
    this.entries.push(recorded);
  }
}

/** Everybody's keys, what the coordinator signs, and the ledger up to the start of one masked run. */
export class SimulatedConsortium {
  readonly banks: readonly SimulatedBank[];
  readonly founded = new SimulatedLedger();
  /** Share tables by their root, as the coordinator keeps them. */
  readonly tables = new Map<string, Uint8Array>();
  private readonly seed = sha256(utf8('simulated coordinator'));

  constructor(count: number) {
    this.banks = range(count).map((index) => new SimulatedBank(bankName(index), this.tables));
    this.found();
  }

  sign<Type extends MessageType>(type: Type, payload: Payload<Type>): Message<Type> {
    return signMessage(type, payload, this.seed) as Message<Type>;
  }

  openSession(run: Run, participants: readonly ParticipantId[], slots: number, nonce: string) {
    return this.sign('open-session', {
      run: run.id,
      parent: lastHash(run),
      suite: 'x25519-hkdf256-aes256ctr-gf256',
      nonce: toBase64Url(sha256(utf8(nonce)).subarray(0, 16)),
      participants: [...participants],
      thresholds: thresholdsFor(participants.length),
      slots,
      deadlineAt: SIMULATED_DEADLINE,
    });
  }

  sealSession(session: Session): Message<'seal-session'> {
    const dealers = [...session.dealt.keys()].sort((a, b) => a - b);
    return this.sign('seal-session', {
      session: session.hash,
      roster: session.rosterHash!,
      dealers,
      shareRoots: dealers.map((index) => session.dealt.get(index)!.shareRoot),
    });
  }

  /** The next round, with the next slot of the session in force. */
  openRound(run: Run, question: string, ring: Ring, length: number): Message<'open-round'> {
    const { phase, session } = run;
    if (phase.name !== 'ready') throw new Error(`the run is ${phase.name}`);
    return this.sign('open-round', {
      run: run.id,
      parent: phase.parent,
      round: phase.round,
      attempt: phase.attempt,
      question: { kind: 'simulated', hash: toHex(sha256(utf8(question))), ring, length },
      metrics: {},
      deadlineAt: SIMULATED_DEADLINE,
      keys: { session: session!.sealed!.hash, slot: session!.nextSlot },
    });
  }

  fixSurvivors(open: OpenRound): Message<'fix-survivors'> {
    return this.sign('fix-survivors', {
      ctx: open.hash,
      slot: open.masked!.slot,
      survivors: survivorsOf(open),
      survivorsHash: survivorsHash(open),
    });
  }

  closeRound(open: OpenRound, sumRoot: string): Message<'close-round'> {
    const survivors = survivorsOf(open);
    return this.sign('close-round', {
      ctx: open.hash,
      survivors,
      survivorsHash: survivorsHash(open),
      sumRoot,
    });
  }

  voidRound(open: OpenRound, code: 'COHORT' | 'QUORUM' | 'SHARES'): Message<'void-round'> {
    return this.sign('void-round', { ctx: open.hash, code, reason: 'simulated' });
  }

  /** Everybody deals, nobody fails. @returns the ledger up to the sealed session */
  async sealed(slots: number, receivers = this.banks): Promise<SimulatedLedger> {
    const ledger = this.founded.fork();
    const ids = this.banks.map((bank) => bank.id);
    ledger.append(this.openSession(ledger.run, ids, slots, 'everybody'));
    for (const bank of this.banks) ledger.append(await bank.advertise(ledger.session));
    for (const bank of this.banks) ledger.append(await bank.deal(ledger.session));
    ledger.append(this.sealSession(ledger.session));
    for (const bank of receivers) {
      const faults = bank.receive(ledger.session);
      if (faults.length > 0) throw new Error(`${bank.id}: ${faults[0]!.reason}`);
    }
    return ledger;
  }

  private found(): void {
    const { founded: ledger, banks } = this;
    const ids = banks.map((bank) => bank.id);
    const logSeed = sha256(utf8('simulated log'));
    const charter = ledger.append(
      this.sign('charter', {
        ...{ v: 1, consortium: 'simulated', origin: 'tallystick/simulated' },
        coordinatorKey: toBase64Url(publicKeyOf(this.seed)),
        logKey: toBase64Url(publicKeyOf(logSeed)),
      }),
    ).hash;
    const enrols = banks.map((bank) => {
      const token = `token of ${bank.id}, long enough`;
      const tokenHash = toHex(sha256(utf8(token)));
      const expiresAt = SIMULATED_DEADLINE;
      const invite = { charter, participant: bank.id, tokenHash, expiresAt };
      const { hash } = ledger.append(this.sign('invite', invite));
      const identityKey = bank.identityKey;
      const enrol = { invite: hash, from: bank.id, token, identityKey, agentVersion: 'simulated' };
      return ledger.append(bank.sign('enrol', enrol)).hash;
    });
    enrols.forEach((enrol, i) => ledger.append(this.sign('admit', { enrol, participant: ids[i]! })));
    const proposal = plan.parse({
      ...tinyPlan(ids, { name: 'simulated', minimum: 3, retries: 5 }),
      contract: toHex(sha256(utf8('simulated contract'))),
      aggregation: 'masked',
    });
    const proposed = ledger.append(this.sign('run-proposed', { charter, plan: proposal })).hash;
    const run = runId.parse(proposed);
    for (const bank of banks) {
      ledger.append(bank.sign('consent', { run, from: bank.id, decision: 'granted', reason: '' }));
    }
    const identityKeys = banks.map((bank) => bank.identityKey);
    ledger.append(this.sign('run-started', { run, roster: ids, identityKeys }));
  }
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
    return promise(
      this.promises,
      purposes.advertise(session.hash),
      () => this.sign('advertise-keys', advertisement(session, this.indexIn(session), secrets)),
      (earlier): earlier is Message<'advertise-keys'> => earlier.type === 'advertise-keys',
    );
  }

  async deal(session: Session): Promise<Message<'share-keys'>> {
    const bank = this.indexIn(session);
    const { payload, table } = dealing(session, bank, () => this.randomOf(session.hash));
    const message = await promise(
      this.promises,
      purposes.deal(session.hash),
      () => this.sign('share-keys', payload),
      (earlier): earlier is Message<'share-keys'> =>
        earlier.type === 'share-keys' && earlier.payload.table === payload.table,
    );
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
    return maskedInput(open, this.signerIn(session), vectorRoot(words), this.promises);
  }

  certify(open: OpenRound): Promise<Message<'consistency-check'>> {
    return certificate(open, this.signerIn(open.masked!.session), this.promises);
  }

  reveal(open: OpenRound): Promise<Message<'unmask'>> {
    const { session } = open.masked!;
    return unmask(open, this.signerIn(session), this.keysOf(session), this.promises);
  }

  vote(open: OpenRound): Promise<Message<'abort-round'>> {
    return abortVote(open, this.signerIn(open.masked!.session), this.promises);
  }

  /** The generator from which all secrets of a session come, always from its beginning. */
  randomOf(session: string) {
    return seededBytes(sha256(utf8(`${session} of ${this.id}`)));
  }

  keysOf(session: Session): HeldKeys {
    const keys = this.held.get(session.hash);
    if (keys === undefined) throw new Error(`${this.id} has no keys of this session`);
    return keys;
  }

  private signerIn(session: Session) {
    return { bank: this.indexIn(session), seed: this.seed };
  }
}

/** Hash of an open-round: the context that answers name. */
export function ctxOf(message: Message<'open-round'>): string {
  return messageHash('open-round', message.payload);
}
