/**
 * One run as this bank follows it, step by step with the ledger:
 *
 *   run-proposed → consider, consent
 *   run-started  → begin the program
 *   open-round   → answer            close-round → take the sum, go on
 *   checkpoint   → cosign            run-finished → keep the model
 *
 * and what masked runs have besides (masked-part.ts). After a restart the feed comes from the start and the
 * same steps run again, except that what was signed before is sent again instead of being made anew.
 */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { MaskedPart } from '#participant-agent/rounds/masked-part.ts';
import { checkSum } from '#participant-agent/rounds/phases/check-sum.ts';
import { assertOwnRun } from '#participant-agent/rounds/peers.ts';
import { cosignCheckpoint } from '#participant-agent/rounds/phases/checkpoint.ts';
import { takeSum } from '#participant-agent/rounds/phases/close-round.ts';
import { answerRound, refuseRound, type Masking } from '#participant-agent/rounds/phases/open-round.ts';
import { keepModel, lacksModel } from '#participant-agent/rounds/phases/run-finished.ts';
import { considerRun } from '#participant-agent/rounds/phases/run-proposed.ts';
import { CONSIDERING } from '#participant-agent/state/agent-state.ts';
import type { Position, RunComputer } from '#participant-agent/training/run-computer.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import {
  isOpen,
  type OpenRound,
  type PastRound,
  type Run,
  type Session,
} from '#shared/ledger/federation-state.ts';
import { answerersOf } from '#shared/ledger/rounds.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';

/** The state an entry was folded into; the fold may be ahead when its task gets there. */
interface Moment {
  readonly open: OpenRound | undefined;
  readonly past: PastRound | undefined;
  readonly session: Session | undefined;
}

export class FollowedRun {
  readonly run: Run;
  /** What the bank does in it right now, for `agent status`. */
  detail = 'proposed';
  private readonly context: AgentContext;
  private readonly onChange: () => void;
  private computer: RunComputer | undefined;
  private position: Position | undefined;
  private takesPart = false;
  private masked: MaskedPart | undefined;
  private turn: Promise<void> = Promise.resolve();
  /** The check of the last sum, which runs beside the next computation. */
  private checking: Promise<void> = Promise.resolve();
  private waitingForChange: (() => void)[] = [];
  /** Why this agent has left the run. */
  private left: ErrorCode | undefined;

  constructor(run: Run, context: AgentContext, onChange: () => void) {
    this.run = run;
    this.context = context;
    this.onChange = onChange;
  }

  take(message: Message): void {
    const { phase, past, session } = this.run;
    const moment = { open: phase.name === 'collecting' ? phase.open : undefined, past: past.at(-1), session };
    for (const resume of this.waitingForChange.splice(0)) resume();
    this.turn = this.turn.then(async () => {
      if (this.context.signal.aborted) return;
      try {
        // what happened while the agent was away is history: it is seen whole before anything is done
        await this.context.connection.untilReady(this.context.signal);
        if (this.left === undefined) await this.step(message, moment);
        else if (message.type === 'open-round') await this.refuse(moment.open!, this.left);
      } catch (error) {
        if (!this.context.signal.aborted) await this.leave(error);
      }
    });
  }

  /** Something this agent cannot mend: it says so in the open round and in every later one. */
  private async leave(error: unknown): Promise<void> {
    this.left = error instanceof FederationError ? error.code : 'INTERNAL';
    this.say(`left the run: ${describeError(error)}`);
    this.context.log.error({ run: this.run.id, err: error }, 'this agent leaves the run');
    const takesPart = this.run.roster.includes(this.context.config.participant);
    await this.release();
    const { phase } = this.run;
    if (!takesPart) this.left = undefined;
    else if (phase.name === 'collecting') await this.refuse(phase.open, this.left).catch(() => {}); // it is stopping
  }

  private async refuse(open: OpenRound, code: ErrorCode): Promise<void> {
    const index = open.roster.indexOf(this.context.config.participant);
    if (!isOpen(this.run, open) || !answerersOf(open).includes(index)) return;
    await refuseRound(this.run, open, code, this.context);
  }

  async close(): Promise<void> {
    await this.computer?.dispose(); // what it is computing is broken off
    for (const resume of this.waitingForChange.splice(0)) resume();
    await this.turn;
    await this.checking.catch(() => {});
    await this.release(); // the last turn may have made a computer
  }

  private async step(message: Message, moment: Moment): Promise<void> {
    const { run, context } = this;
    switch (message.type) {
      case 'run-proposed':
        // a run that is over when the agent hears of it needs no rows, unless its model is still to be had
        if (isFinished(run) && !(await lacksModel(run, context))) return;
        this.say(CONSIDERING);
        this.computer = context.createComputer(context.config.data.file);
        this.takesPart = await considerRun(run, this.computer, context);
        this.say(this.takesPart ? 'consented' : 'takes no part');
        if (!this.takesPart) await this.release();
        return;
      case 'run-started':
        if (!this.takesPart || !message.payload.roster.includes(context.config.participant))
          return this.release();
        assertOwnRun(run, message.payload.identityKeys, context);
        // one course of the run for ever, whatever history is shown after a restart
        await context.state.bindRun(run.id, messageHash('run-started', message.payload));
        if (run.plan.aggregation === 'masked') this.masked = await MaskedPart.open(run, context);
        this.position = await this.computer!.begin(run.plan, message.payload.roster.length);
        return undefined;
      case 'open-round':
        return this.answer(moment.open!);
      case 'close-round':
      case 'void-round':
        return this.endRound(moment.past!);
      case 'checkpoint':
        await this.checking; // a sum that is not right is not cosigned
        if (this.position !== undefined) await cosignCheckpoint(run, context);
        return undefined;
      case 'run-finished':
        await this.checking;
        // the model comes last: while it is lacking, a restart goes through all of this again
        await this.masked?.forgetAll();
        if (this.position !== undefined) await keepModel(run, this.position, context);
        this.say(message.payload.outcome);
        return this.release();
      default:
        if (this.masked !== undefined) await this.maskedStep(this.masked, message, moment);
        // it ended while this agent was away: no secret of it stays, whatever came of it
        else if (message.type === 'open-session' && isFinished(run))
          await context.vault.forget(messageHash('open-session', message.payload));
    }
  }

  private async maskedStep(masked: MaskedPart, message: Message, { open, session }: Moment): Promise<void> {
    switch (message.type) {
      case 'open-session':
        this.say('advertising keys');
        return masked.advertise(session!);
      case 'advertise-keys':
        return masked.deal(session!);
      case 'seal-session':
        return masked.receive(session!);
      case 'fix-survivors':
        await masked.certify(open!);
        return masked.reveal(open!);
      case 'consistency-check':
      case 'unmask':
        return open === undefined ? undefined : masked.reveal(open);
      default:
        return undefined;
    }
  }

  private async answer(open: OpenRound): Promise<void> {
    if (this.position === undefined || !isOpen(this.run, open)) return;
    const index = open.roster.indexOf(this.context.config.participant);
    if (!answerersOf(open).includes(index)) return; // the keys were dealt without this bank
    const { round, question } = open.payload;
    this.say(`answering round ${round} (${question.kind})`);
    await answerRound(this.run, open, this.position, this.computer!, this.context, this.masking());
    this.say(`answered round ${round} (${question.kind})`);
  }

  /** A masked answer is signed only when the sum before it was found right. */
  private masking(): Masking | undefined {
    const { masked } = this;
    return (
      masked && {
        prepareAnswer: (open) => masked.prepareAnswer(open),
        signInput: async (open, root) => {
          await this.checking;
          return masked.signInput(open, root);
        },
      }
    );
  }

  private async endRound(past: PastRound): Promise<void> {
    if (this.position === undefined) return;
    await this.checking;
    this.position = (await takeSum(past, this.computer!, this.context)) ?? this.position;
    const { masked } = this;
    if (masked === undefined || !past.open.roster.includes(this.context.config.participant)) return;
    if (past.end.outcome === 'void') {
      await masked.vote(past.open);
      return masked.forget(past.open); // nothing of this slot will be revealed any more
    }
    if (!masked.hasBuiltUpon(past)) {
      this.checking = checkSum(this.run, past, this.context, (ms) => this.untilChanged(ms));
      this.checking.catch(() => {}); // it is awaited before anything is signed
    }
    await masked.forget(past.open);
    return undefined;
  }

  private untilChanged(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.waitingForChange.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private say(detail: string): void {
    this.detail = detail;
    this.onChange();
  }

  private async release(): Promise<void> {
    await this.computer?.dispose();
    await this.masked?.close();
    this.computer = undefined;
    this.position = undefined;
    this.masked = undefined;
    this.takesPart = false;
  }
}

function isFinished(run: Run): boolean {
  return run.phase.name === 'finished';
}
