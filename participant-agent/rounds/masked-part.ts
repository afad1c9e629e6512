/**
 * What a bank does in a masked run besides answering, step by step with the ledger:
 *
 *   open-session → advertise keys     all advertised → deal shares     seal-session → check what was dealt
 *   fix-survivors → certify them      a quorum certified → reveal shares
 *   void-round → vote to ask again    close-round → forget the slot
 *
 * Every message is promised on disk before it leaves (shared/secure-sum/promises.ts), and sent again after a
 * restart if the ledger does not show it.
 */
import { join } from 'node:path';
import { submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { sendWithBody } from '#participant-agent/rounds/send-with-body.ts';
import { PromiseFile } from '#participant-agent/state/promise-file.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import {
  isOpen,
  roundsOf,
  type OpenRound,
  type PastRound,
  type Run,
  type Session,
} from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';
import {
  abortVote,
  assertMayAnswer,
  certificate,
  maskedInput,
  masksFor,
  unmask,
  type Signer,
} from '#shared/secure-sum/bank-round.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import {
  advertisement,
  dealing,
  receiveShares,
  withoutSlot,
  type HeldKeys,
} from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';
import { promise, purposes } from '#shared/secure-sum/promises.ts';

export class MaskedPart {
  private readonly run: Run;
  private readonly context: AgentContext;
  private readonly promises: PromiseFile;
  /** Keys of the newest sealed session. */
  private held: { session: string; keys: HeldKeys } | undefined;
  /** All sessions of this run so far. */
  private readonly sessions = new Set<string>();

  private constructor(run: Run, context: AgentContext, promises: PromiseFile) {
    this.run = run;
    this.context = context;
    this.promises = promises;
  }

  static async open(run: Run, context: AgentContext): Promise<MaskedPart> {
    const path = join(context.state.folder, 'state/promises', `${run.id}.jsonl`);
    return new MaskedPart(run, context, await PromiseFile.open(path));
  }

  async close(): Promise<void> {
    await this.promises.close();
  }

  /** open-session: this bank's keys for it. */
  async advertise(session: Session): Promise<void> {
    this.sessions.add(session.hash);
    const bank = this.indexIn(session);
    if (bank === undefined || !this.isDealing(session) || session.advertised.has(bank)) return;
    const isNew = this.promises.get(purposes.advertise(session.hash)) === undefined;
    const seed = isNew ? await this.context.vault.makeSeed(session.hash) : undefined;
    const message = await promise(
      this.promises,
      purposes.advertise(session.hash),
      () => {
        const secrets = drawSecrets(session.payload.slots, seededBytes(seed!));
        return this.sign('advertise-keys', advertisement(session, bank, secrets));
      },
      (earlier): earlier is Message<'advertise-keys'> => earlier.type === 'advertise-keys',
    );
    await this.submit(message, `keys for ${session.payload.slots} rounds`);
  }

  /** All have advertised: this bank's shares for everybody. */
  async deal(session: Session): Promise<void> {
    const bank = this.indexIn(session);
    if (bank === undefined || !this.isDealing(session)) return;
    if (session.rosterHash === undefined || session.dealt.has(bank)) return;
    const seed = await this.context.vault.seedOf(session.hash);
    if (seed === undefined) return;
    const { payload, table } = dealing(session, bank, () => seededBytes(seed));
    const message = await promise(
      this.promises,
      purposes.deal(session.hash),
      () => this.sign('share-keys', payload),
      (earlier): earlier is Message<'share-keys'> =>
        earlier.type === 'share-keys' && earlier.payload.table === payload.table,
    );
    const detail = `encrypted shares for ${session.payload.participants.length} banks`;
    const about = { run: this.run.id, detail };
    const body = { root: payload.table, bytes: table, about };
    // the others may go on without us
    await sendWithBody(this.context, body, message, about, () => this.isDealing(session));
  }

  /** seal-session: what the dealers sent must open and fit, or is complained about. */
  async receive(session: Session): Promise<void> {
    const bank = this.indexIn(session);
    if (bank === undefined || session !== this.run.session || session.isVoid) return;
    if (!session.sealed!.dealers.includes(bank)) return;
    const seed = await this.context.vault.seedOf(session.hash);
    if (seed === undefined) return; // received before this process began
    let bytes: Uint8Array;
    try {
      bytes = await this.context.bodies.downloadShares(session.hash, this.context.signal);
    } catch (error) {
      if (isOver(error)) return;
      throw error;
    }
    const { dealers } = session.sealed!;
    const length = bytes.length / dealers.length;
    const packages = new Map(
      dealers.map((dealer, i) => [dealer, bytes.subarray(i * length, (i + 1) * length)]),
    );
    const { held, faults } = receiveShares(session, bank, () => seededBytes(seed), packages);
    for (const { against, code, reason } of faults) {
      this.context.log.warn({ run: this.run.id, code, against }, reason);
      const from = this.context.config.participant;
      const complaint = this.sign('complain', { session: session.hash, from, against, code, reason });
      await this.submit(complaint, reason);
    }
    if (faults.length > 0) return;
    await this.context.vault.keep(session.hash, held);
    for (const other of this.sessions) if (other !== session.hash) await this.context.vault.forget(other);
  }

  /**
   * Before an answer is computed.
   * @returns the masks of this bank's vector
   * @throws FederationError EQUIVOCATION | REPLAY | STATE | POLICY
   */
  async prepareAnswer(open: OpenRound): Promise<Mask[]> {
    const { session } = maskedOf(open);
    const earlier = this.run.past
      .filter((past) => past.open.payload.question.hash === open.payload.question.hash)
      .map((past) => past.open);
    assertMayAnswer(open, earlier, this.promises);
    return masksFor(open, this.signerIn(session).bank, await this.keysOf(session));
  }

  /** The signed answer, once its body's root is known. */
  signInput(open: OpenRound, vectorRoot: string): Promise<Message<'masked-input'>> {
    return maskedInput(open, this.signerIn(maskedOf(open).session), vectorRoot, this.promises);
  }

  /** fix-survivors: certified by every dealer, also by one whose vector is not in the sum. */
  async certify(open: OpenRound): Promise<void> {
    const masked = maskedOf(open);
    const bank = this.dealerIn(masked.session);
    if (bank === undefined || !isOpen(this.run, open) || masked.certificates.has(bank)) return;
    const message = await certificate(open, this.signerIn(masked.session), this.promises);
    await this.submit(message, `${masked.fixed!.survivors.length} banks in the sum`, open);
  }

  /** As soon as a quorum has certified: one share for each dealer. */
  async reveal(open: OpenRound): Promise<void> {
    const masked = maskedOf(open);
    const bank = this.dealerIn(masked.session);
    if (bank === undefined || !isOpen(this.run, open) || masked.unmasks.has(bank)) return;
    const certified = masked.certificates.size;
    if (masked.fixed === undefined || certified < masked.session.payload.thresholds.quorum) return;
    const message = await unmask(
      open,
      this.signerIn(masked.session),
      await this.keysOf(masked.session),
      this.promises,
    );
    await this.submit(message, `shares of ${message.payload.shares.length} seeds`, open);
  }

  /** void-round: unless this bank has revealed shares, it votes to ask again. */
  async vote(open: OpenRound): Promise<void> {
    const masked = maskedOf(open);
    const bank = this.dealerIn(masked.session);
    if (bank === undefined || masked.aborts.has(bank) || this.run.past.at(-1)?.open !== open) return;
    if (this.promises.get(purposes.verdict(masked.session.hash, masked.slot))?.type === 'unmask') return;
    const message = await abortVote(open, this.signerIn(masked.session), this.promises);
    await this.submit(message, 'nothing was revealed', open);
  }

  /**
   * Whether this bank has signed a vector for a later question: then it has found this sum right before. After
   * a restart every sum since then is checked, whatever came after it.
   */
  hasBuiltUpon(past: PastRound): boolean {
    return roundsOf(this.run).some(({ hash, payload, masked }) => {
      if (payload.round <= past.open.payload.round || masked === undefined) return false;
      const input = this.promises.get(purposes.input(masked.session.hash, masked.slot));
      return input?.type === 'masked-input' && input.payload.ctx === hash;
    });
  }

  /** The round is over: the slot's secrets are of no more use to anybody honest. */
  async forget(open: OpenRound): Promise<void> {
    const { session, slot } = maskedOf(open);
    const { vault } = this.context;
    const keys = this.held?.session === session.hash ? this.held.keys : await vault.heldOf(session.hash);
    if (keys?.slots[slot] === undefined) return;
    const left = withoutSlot(keys, slot);
    if (this.held?.session === session.hash) this.held = { session: session.hash, keys: left };
    await vault.keep(session.hash, left, false); // an old slot that comes back after a power loss harms little
  }

  /** The run is over: no secret of it stays. */
  async forgetAll(): Promise<void> {
    this.held = undefined;
    for (const session of this.sessions) await this.context.vault.forget(session);
  }

  /** @throws FederationError STATE when the keys are gone, or were never complete */
  private async keysOf(session: Session): Promise<HeldKeys> {
    if (this.held?.session === session.hash) return this.held.keys;
    const keys = await this.context.vault.heldOf(session.hash);
    if (keys === undefined)
      throw new FederationError('STATE', `this bank has no complete keys of session ${session.hash}`);
    this.held = { session: session.hash, keys };
    return keys;
  }

  private isDealing(session: Session): boolean {
    return this.run.session === session && session.sealed === undefined && !session.isVoid;
  }

  private indexIn(session: Session): number | undefined {
    const index = session.payload.participants.indexOf(this.context.config.participant);
    return index < 0 ? undefined : index;
  }

  private dealerIn(session: Session): number | undefined {
    const index = this.indexIn(session);
    return index !== undefined && session.sealed!.dealers.includes(index) ? index : undefined;
  }

  /** @throws FederationError STATE */
  private signerIn(session: Session): Signer {
    const bank = this.dealerIn(session);
    if (bank === undefined)
      throw new FederationError('STATE', `this bank dealt no keys in session ${session.hash}`);
    return { bank, seed: this.context.seed };
  }

  private sign<Type extends BankMessage['type']>(
    type: Type,
    payload: Message<Type>['payload'],
  ): Message<Type> {
    return signMessage(type, payload, this.context.seed) as Message<Type>;
  }

  private submit(message: BankMessage, detail: string, open?: OpenRound): Promise<SubmitReply> {
    const round = open === undefined ? {} : { round: open.payload.round };
    return submitMessage(this.context, message, { run: this.run.id, ...round, detail });
  }
}

/** The session is void, or another has taken its place, of which the coordinator knows before this bank does. */
function isOver(error: unknown): boolean {
  return error instanceof FederationError && (error.code === 'LATE' || error.code === 'STALE');
}
