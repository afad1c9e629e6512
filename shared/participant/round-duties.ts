/**
 * A round that is open, and one that was given up:
 *
 *   open-round → answer     fix-survivors → certify them     a quorum certified → reveal shares
 *   void-round → vote to ask again, unless shares were revealed
 */
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import type { Effect, Position } from '#shared/participant/effects.ts';
import type { KeyDuties } from '#shared/participant/key-duties.ts';
import type { OwnPart } from '#shared/participant/own-part.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { answerersOf } from '#shared/ledger/rounds.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import {
  abortVote,
  assertMayAnswer,
  certificate,
  maskedInput,
  masksFor,
  unmask,
} from '#shared/secure-sum/bank-round.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { purposes } from '#shared/secure-sum/promises.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

/** What the bank's own rules say of a round, over and above the ledger's. */
export interface RoundGuard {
  /** Before rows are read for an answer. @throws FederationError POLICY */
  assertMayAnswer(open: OpenRound): void;
  /** Before the survivors of a masked round are certified. @throws FederationError POLICY | COHORT */
  assertMayCertify(open: OpenRound): void;
}

/** Of the newest round. */
interface Answer {
  readonly ctx: string;
  /** Known once it is computed. */
  vectorRoot?: string;
  isDone: boolean;
}

/** Errors whose sentences we wrote ourselves, and that say nothing of a bank's rows: others may read them. */
export const OWN_WORDS: ReadonlySet<ErrorCode> = new Set([
  'LINEAGE',
  'POLICY',
  'SUBTRACTION',
  'COHORT',
  'EQUIVOCATION',
  'REPLAY',
  'VECROOT',
]);

export class RoundDuties {
  private readonly own: OwnPart;
  private readonly keys: KeyDuties;
  private readonly guard: RoundGuard;
  private answer: Answer | undefined;

  constructor(own: OwnPart, keys: KeyDuties, guard: RoundGuard) {
    this.own = own;
    this.keys = keys;
    this.guard = guard;
  }

  answered(ctx: string, vectorRoot: string): void {
    if (this.answer?.ctx === ctx) this.answer.vectorRoot = vectorRoot;
  }

  /**
   * @returns the refusal of the round, or undefined when the cause lies in the bank's own rows: a code for each cause
   *   would tell of them
   */
  notAnswered(ctx: string, code: ErrorCode, reason: string): Effect[] | undefined {
    if (!OWN_WORDS.has(code)) return undefined;
    const { phase } = this.own.run;
    if (phase.name !== 'collecting' || phase.open.hash !== ctx) return [];
    return [this.refuse(phase.open, code, reason)];
  }

  /**
   * @param position undefined while the program does not stand where the ledger does
   * @param sumsAreRight whether every sum so far is known to be right
   */
  next(position: Position | undefined, sumsAreRight: boolean): Effect | undefined {
    const { phase } = this.own.run;
    if (phase.name === 'ready') return this.voteDuty();
    if (phase.name !== 'collecting') return undefined;
    const { open } = phase;
    const opening = this.hasLostPromise(open) ? undefined : this.openingDuty(open);
    return opening ?? this.answerDuty(open, position, sumsAreRight);
  }

  /** For a bank that cannot go on: nobody should wait for it. */
  refuseNext(code: ErrorCode, why: string): Effect | undefined {
    const { phase } = this.own.run;
    if (phase.name !== 'collecting' || !this.isAsked(phase.open)) return undefined;
    if (this.answer?.ctx === phase.open.hash && this.answer.isDone) return undefined;
    this.answer = { ctx: phase.open.hash, isDone: false };
    const words = OWN_WORDS.has(code) ? why : `the agent has left the run (${code})`;
    return this.refuse(phase.open, code, words, true);
  }

  private answerDuty(
    open: OpenRound,
    position: Position | undefined,
    sumsAreRight: boolean,
  ): Effect | undefined {
    const { answer } = this;
    if (answer?.ctx === open.hash) {
      if (answer.isDone || answer.vectorRoot === undefined) return undefined;
      if (open.masked !== undefined && !sumsAreRight) return undefined;
      answer.isDone = true;
      return this.input(open, answer.vectorRoot);
    }
    if (position === undefined || !this.isAsked(open)) return undefined;
    try {
      this.assertFollows(open, position);
      this.guard.assertMayAnswer(open);
      const masks = this.masks(open);
      if (masks === undefined) return undefined; // its keys are on their way
      this.answer = { ctx: open.hash, isDone: false };
      return { do: 'answer', open, masks };
    } catch (error) {
      this.answer = { ctx: open.hash, isDone: false };
      const code = error instanceof FederationError ? error.code : 'INTERNAL';
      return this.refuse(open, code, describeError(error));
    }
  }

  /** Whether the ledger waits for an answer of this bank, or shows one that it has to promise again. */
  private isAsked(open: OpenRound): boolean {
    const index = open.roster.indexOf(this.own.id);
    const isThere = open.inputs.has(index) && !this.hasLostPromise(open);
    return answerersOf(open).includes(index) && !isThere && !open.refusals.has(index);
  }

  /** Whether the ledger shows a vector of this bank whose promise its disk has lost: it is made again, the same. */
  private hasLostPromise({ hash, masked, inputs, roster }: OpenRound): boolean {
    if (masked === undefined || !inputs.has(roster.indexOf(this.own.id))) return false;
    if (this.answer?.ctx === hash && this.answer.isDone) return false;
    return this.own.promises.get(purposes.input(masked.session.hash, masked.slot)) === undefined;
  }

  /** @throws FederationError EQUIVOCATION | REPLAY | STATE */
  private masks(open: OpenRound): readonly Mask[] | undefined {
    if (open.masked === undefined) return [];
    const { session } = open.masked;
    const earlier = this.own.run.past
      .filter((past) => past.open.payload.question.hash === open.payload.question.hash)
      .map((past) => past.open);
    assertMayAnswer(open, earlier, this.own.promises);
    const held = this.keys.heldOf(session);
    return held && masksFor(open, this.own.signerIn(session).bank, held);
  }

  /** The signed answer. */
  private input(open: OpenRound, vectorRoot: string): Effect {
    const { own } = this;
    const { ring, length, kind } = open.payload.question;
    const body = { root: vectorRoot, open };
    if (open.masked === undefined) {
      const input = { ctx: open.hash, from: own.id, ring, length, vectorRoot };
      const message = own.sign('plain-input', input);
      return own.say(open.hash, { message, purposes: [] }, `answer to ${kind}`, { open, body });
    }
    try {
      const signer = own.signerIn(open.masked.session);
      const message = maskedInput(open, signer, vectorRoot, own.promises);
      return own.say(open.hash, message, `answer to ${kind}`, { open, body });
    } catch (error) {
      const code = error instanceof FederationError ? error.code : 'INTERNAL';
      return this.refuse(open, code, describeError(error));
    }
  }

  /** Survivors are certified by every dealer, also by one whose vector is not in the sum. */
  private openingDuty(open: OpenRound): Effect | undefined {
    const { own } = this;
    const { masked } = open;
    const bank = masked && own.dealerIn(masked.session);
    if (bank === undefined || masked?.fixed === undefined) return undefined;
    const what = `${open.hash}/certificate`;
    if (!masked.certificates.has(bank) && !own.hasSaid(what)) {
      this.guard.assertMayCertify(open);
      const message = certificate(open, own.signerIn(masked.session), own.promises);
      return own.say(what, message, `${masked.fixed.survivors.length} banks in the sum`, { open });
    }
    const { quorum } = masked.session.payload.thresholds;
    const reveal = `${open.hash}/unmask`;
    if (masked.certificates.size < quorum || masked.unmasks.has(bank) || own.hasSaid(reveal))
      return undefined;
    const held = this.keys.heldOf(masked.session);
    if (held === undefined) return undefined;
    const shares = unmask(open, own.signerIn(masked.session), held, own.promises);
    return own.say(reveal, shares, `shares of ${shares.message.payload.shares.length} seeds`, { open });
  }

  private voteDuty(): Effect | undefined {
    const { own } = this;
    const past = own.run.past.at(-1);
    if (past?.end.outcome !== 'void' || past.open.masked === undefined) return undefined;
    const { open } = past;
    const { session, slot, aborts } = maskedOf(open);
    const bank = own.dealerIn(session);
    const what = `${open.hash}/vote`;
    if (bank === undefined || aborts.has(bank) || own.hasSaid(what)) return undefined;
    if (own.promises.get(purposes.verdict(session.hash, slot))?.type === 'unmask') return undefined;
    const vote = abortVote(open, own.signerIn(session), own.promises);
    return own.say(what, vote, 'nothing was revealed', { open });
  }

  /**
   * A coordinator cannot slip this bank another question than the one its own recomputation arrives at.
   * @throws FederationError LINEAGE
   */
  private assertFollows({ payload }: OpenRound, { question, metrics }: Position): void {
    const asked = payload.question;
    if (
      question !== undefined &&
      asked.hash === question.hash &&
      asked.ring === question.ring &&
      asked.length === question.length &&
      canonicalJson(payload.metrics) === canonicalJson(metrics)
    )
      return;
    throw new FederationError(
      'LINEAGE',
      `round ${payload.round} asks ${asked.hash.slice(0, 16)}…, but the last sum leads to ${question?.hash.slice(0, 16) ?? 'the end of the program'}…`,
    );
  }

  /** @param isOurs whether the sentence is one that others may read; by its code, unless it is said */
  private refuse(open: OpenRound, code: ErrorCode, reason: string, isOurs = OWN_WORDS.has(code)): Effect {
    if (this.answer?.ctx === open.hash) this.answer.isDone = true;
    const words = asSentence(isOurs ? reason : `the agent could not answer (${code})`);
    const message = this.own.sign('refuse-round', { ctx: open.hash, from: this.own.id, code, reason: words });
    return this.own.say(`${open.hash}/refusal`, { message, purposes: [] }, words, { open });
  }
}
