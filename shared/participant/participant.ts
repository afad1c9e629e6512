/**
 * A bank in one run, without disk, network or clock: what it has to do follows from the ledger as it was shown, from
 * what the bank has promised, and from what became of what it did before.
 *
 *   run-proposed → decide, consent, then read the rows
 *   run-started  → bind itself to this start, begin the program
 *   each round   → key-duties.ts, round-duties.ts, sum-duties.ts
 *   checkpoint   → cosign            run-finished → keep the model
 *
 * The agent runs it over sockets and files; simulations run the same code against coordinators that lie.
 */
import type { Decision, Effect, Event, Position } from '#shared/participant/effects.ts';
import { KeyDuties } from '#shared/participant/key-duties.ts';
import { OwnPart } from '#shared/participant/own-part.ts';
import { OWN_WORDS, RoundDuties, type RoundGuard } from '#shared/participant/round-duties.ts';
import { SumDuties } from '#shared/participant/sum-duties.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { promised, purposes } from '#shared/secure-sum/promises.ts';

/**
 * What others are told when a bank cannot go on because of its own rows: nothing, so that it looks absent; that it has
 * withdrawn; or also why.
 */
export type Candour = 'silent' | 'withdraw' | 'explain';

/** The bank's own rules, over and above the ledger's. */
export interface ParticipantGuard extends RoundGuard {
  readonly candour: Candour;
  /** It consents to a run of so many banks at least. */
  readonly fewest: number;
  /** Before anything is signed in a run that has started. @throws FederationError POLICY | FORBIDDEN */
  assertMayTakePart(run: Run): void;
}

/** What `detail` says from a run's proposal until this bank's consent. */
export const CONSIDERING = 'not decided yet';

export interface ParticipantSetup {
  readonly run: Run;
  readonly id: ParticipantId;
  /** Seed of the bank's identity key. */
  readonly seed: Uint8Array;
  /** What the bank has promised in this run before, by purpose. */
  readonly promises: ReadonlyMap<string, Message>;
  readonly guard: ParticipantGuard;
  /** Whether every sum is checked here, also large ones. */
  readonly checksAllSums: boolean;
}

export class Participant {
  /** What the bank does in the run right now, for people. */
  detail = 'proposed';
  private readonly own: OwnPart;
  private readonly guard: ParticipantGuard;
  private readonly keys: KeyDuties;
  private readonly rounds: RoundDuties;
  private readonly sums: SumDuties;
  /** The bank's rows. */
  private rows: 'not read' | 'being read' | 'read' = 'not read';
  private isDeciding = false;
  private position: Position | undefined;
  private hasBegun = false;
  private readonly due: Effect[] = [];
  /** Why the bank has left the run. */
  private left: { readonly code: ErrorCode; readonly why: string } | undefined;
  private hasEnded = false;

  constructor({ run, id, seed, promises, guard, checksAllSums }: ParticipantSetup) {
    this.own = new OwnPart(run, id, seed, promises);
    this.guard = guard;
    this.keys = new KeyDuties(this.own);
    this.rounds = new RoundDuties(this.own, this.keys, guard);
    this.sums = new SumDuties(this.own, checksAllSums);
  }

  /**
   * Takes what has happened.
   * @param now ms since 1970
   * @returns what is to be done, in this order
   */
  step(event: Event, now: number): Effect[] {
    const effects: Effect[] = [];
    try {
      this.take(event);
      for (let next = this.next(now); next !== undefined; next = this.next(now)) effects.push(next);
    } catch (error) {
      effects.push(...this.leave(error));
    }
    return effects;
  }

  private take(event: Event): void {
    switch (event.kind) {
      case 'ledger':
        return;
      case 'decided':
        return this.consent(event.decision);
      case 'loaded':
        this.rows = 'read';
        return;
      case 'not-loaded':
        this.due.push(...this.withdraw(event.reason));
        return;
      case 'keys':
        return this.keys.opened(event.session, event.kept);
      case 'shares':
        return this.keys.received(event.session, event.packages);
      case 'position':
        this.position = event.position;
        return this.sums.stepped();
      case 'answered':
        return this.rounds.answered(event.ctx, event.vectorRoot);
      case 'not-answered': {
        this.due.push(
          ...(this.rounds.notAnswered(event.ctx, event.code, event.reason) ?? this.withdraw(event.reason)),
        );
        return;
      }
      case 'checked':
        return this.sums.checked(event.ctx);
      case 'failed':
        throw event.error;
    }
  }

  private next(now: number): Effect | undefined {
    const due = this.due.shift();
    if (due !== undefined) return due;
    const { own } = this;
    const { run } = own;
    if (this.left !== undefined) return this.rounds.refuseNext(this.left.code, this.left.why);
    if (this.hasEnded) return undefined;
    switch (run.phase.name) {
      case 'proposed':
        return this.consentDuty();
      case 'finished':
        return this.finishDuty(now);
      default:
        return this.startDuty() ?? this.roundDuty(now);
    }
  }

  private consentDuty(): Effect | undefined {
    const { own } = this;
    const promise = own.promises.get(purposes.consent);
    if (promise === undefined) {
      if (this.isDeciding) return undefined;
      this.isDeciding = true;
      this.detail = CONSIDERING;
      return { do: 'decide' };
    }
    if (promise.type !== 'consent')
      throw new FederationError('STATE', 'the stored consent is something else');
    const { decision, reason } = promise.payload;
    if (!own.run.consents.has(own.id) && !own.hasSaid('consent'))
      return own.say('consent', { message: promise, purposes: [] }, `${decision}: ${reason}`);
    if (decision === 'refused') return this.end('takes no part', false)[0];
    this.detail = 'consented';
    return this.loadDuty();
  }

  private consent({ decision, reason }: Decision): void {
    const { own } = this;
    if (own.run.phase.name !== 'proposed') return; // it has begun or ended without this bank
    const condition = decision === 'granted' ? { fewest: this.guard.fewest } : {};
    const payload = { run: own.run.id, from: own.id, decision, reason: asSentence(reason), ...condition };
    const message = promised(
      own.promises,
      purposes.consent,
      () => own.sign('consent', payload),
      (earlier): earlier is Message<'consent'> => earlier.type === 'consent',
    );
    this.due.push(own.say('consent', message, `${decision}: ${reason}`));
  }

  private loadDuty(): Effect | undefined {
    if (this.rows !== 'not read') return undefined;
    this.rows = 'being read';
    return { do: 'load' };
  }

  /** Whether this bank is in the run: it consented, and the run started with it. */
  private get takesPart(): boolean {
    const { run, id, promises } = this.own;
    const consent = promises.get(purposes.consent);
    return (
      run.started !== undefined &&
      run.roster.includes(id) &&
      consent?.type === 'consent' &&
      consent.payload.decision === 'granted'
    );
  }

  /** @throws FederationError EQUIVOCATION when the run started otherwise in the history this bank saw before */
  private startDuty(): Effect | undefined {
    const { own } = this;
    if (!this.takesPart) return this.end('takes no part', false)[0];
    const { started } = own.run;
    const bound = own.promises.get(purposes.start);
    if (bound === undefined) {
      this.guard.assertMayTakePart(own.run);
      own.promises.set(purposes.start, started!);
      return { do: 'keep', message: started!, purposes: [purposes.start] };
    }
    if (bound.sig !== started!.sig)
      throw new FederationError(
        'EQUIVOCATION',
        'the coordinator shows another start of this run than before: other banks, or other keys',
      );
    if (this.rows !== 'read') return this.loadDuty();
    if (this.hasBegun) return undefined;
    this.guard.assertMayTakePart(own.run);
    this.hasBegun = true;
    return { do: 'begin' };
  }

  private roundDuty(now: number): Effect | undefined {
    if (!this.takesPart || !this.hasBegun) return undefined;
    return this.keys.next() ?? this.sumDuty(now) ?? this.questionDuty() ?? this.cosignDuty();
  }

  private sumDuty(now: number): Effect | undefined {
    return this.sums.next(now, this.position !== undefined);
  }

  private questionDuty(): Effect | undefined {
    const position = this.sums.areTaken ? this.position : undefined;
    const effect = this.rounds.next(position, this.sums.areRight);
    if (effect?.do === 'answer') this.tell('answering', effect.open.payload);
    if (effect?.do === 'say' && effect.body !== undefined) this.tell('answered', effect.body.open!.payload);
    return effect;
  }

  private tell(what: string, { round, question }: { round: number; question: { kind: string } }): void {
    this.detail = `${what} round ${round} (${question.kind})`;
  }

  /** A sum that is not right is not cosigned. */
  private cosignDuty(): Effect | undefined {
    const { run, id } = this.own;
    const { checkpoint } = run;
    if (checkpoint === undefined || !this.sums.areTaken || !this.sums.areRight) return undefined;
    const what = `${checkpoint.hash}/cosign`;
    if (checkpoint.cosignatures.has(run.roster.indexOf(id)) || this.own.hasSaid(what)) return undefined;
    this.own.noteSaid(what);
    return { do: 'cosign' };
  }

  /** A run that did not complete ends at once, whatever is under way; the model comes after the last sum. */
  private finishDuty(now: number): Effect | undefined {
    const { phase } = this.own.run;
    if (phase.name !== 'finished') return undefined;
    const { outcome } = phase.result;
    if (outcome !== 'completed' || !this.takesPart) return this.end(outcome, false)[0];
    const begin = this.startDuty();
    if (begin !== undefined) return begin;
    const sum = this.sumDuty(now);
    if (sum !== undefined) return sum;
    if (this.position === undefined || !this.sums.areTaken || !this.sums.areRight) return undefined;
    return this.cosignDuty() ?? this.end(outcome, true)[0];
  }

  /** It cannot go on because of its own rows. What is wrong with them is nobody else's business. */
  private withdraw(reason: string): Effect[] {
    const { own, guard } = this;
    const { run, id: from } = own;
    const effects: Effect[] = this.end(`takes no part: ${reason}`, false);
    if (guard.candour === 'silent' || run.withdrawn.has(from) || run.phase.name === 'finished')
      return effects;
    const why = guard.candour === 'explain' ? { reason: asSentence(reason) } : {};
    const message = own.sign('withdraw', { run: run.id, from, ...why });
    return [own.say('withdraw', { message, purposes: [] }, why.reason ?? 'withdrawn'), ...effects];
  }

  private end(detail: string, keepModel: boolean): [Effect] {
    this.hasEnded = true;
    this.detail = detail;
    return [{ do: 'end', keepModel }];
  }

  /** Something this bank cannot mend: it says so in the open round and in every later one. */
  private leave(error: unknown): Effect[] {
    const effects: Effect[] = [
      { do: 'report', level: 'error', text: 'this agent leaves the run', error },
      ...this.end(`left the run: ${describeError(error)}`, false),
    ];
    if (!this.own.run.roster.includes(this.own.id)) return effects;
    const code = error instanceof FederationError ? error.code : 'INTERNAL';
    this.left = { code, why: describeError(error) };
    const refusal = this.rounds.refuseNext(code, this.left.why);
    if (refusal !== undefined) return [...effects, refusal];
    // between rounds: what does not lie in its rows may be said
    const { run, id: from } = this.own;
    if (!OWN_WORDS.has(code) || run.phase.name === 'finished' || run.withdrawn.has(from)) return effects;
    const reason = asSentence(this.left.why);
    const message = this.own.sign('withdraw', { run: run.id, from, reason });
    return [...effects, this.own.say('withdraw', { message, purposes: [] }, reason)];
  }
}
