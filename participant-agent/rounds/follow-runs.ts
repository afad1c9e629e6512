/**
 * The agent's side of every run: entries of the feed are verified and folded with the same fold as the
 * coordinator's; each run then goes on in a task of its own, in the order of its entries:
 *
 *   run-proposed → consider, consent
 *   run-started  → begin the program
 *   open-round   → answer            close-round → take the sum, go on        run-finished → keep the model
 *
 * After a restart the feed comes from the start and the same steps run again, except that what was signed
 * before is sent again instead of being made anew.
 */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { takeSum } from '#participant-agent/rounds/phases/close-round.ts';
import { answerRound, refuseRound } from '#participant-agent/rounds/phases/open-round.ts';
import { keepModel, lacksModel } from '#participant-agent/rounds/phases/run-finished.ts';
import { considerRun } from '#participant-agent/rounds/phases/run-proposed.ts';
import type { Position, RunComputer } from '#participant-agent/training/run-computer.ts';
import { assertSignedBy } from '#shared/crypto/signed-message.ts';
import { recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { parseMessage, type Message } from '#shared/protocol/messages.ts';

export class RunFollower {
  private readonly context: AgentContext;
  private readonly runs = new Map<RunId, FollowedRun>();
  /** Called whenever something a person may want to see has changed. */
  private readonly onChange: () => void;

  constructor(context: AgentContext, onChange: () => void) {
    this.context = context;
    this.onChange = onChange;
  }

  get followed(): readonly FollowedRun[] {
    return [...this.runs.values()];
  }

  /**
   * Takes one entry of the feed. Entries that came before are passed over.
   * @throws FederationError when the coordinator says something it must not
   */
  take(raw: unknown): void {
    const { federation, config } = this.context;
    const { seq, time, message: rawMessage } = raw as Entry;
    if (typeof seq !== 'number' || seq < federation.size) return;
    const message = parseMessage(rawMessage);
    const recorded = recordEntry({ seq, time, message });
    if (message.type === 'charter') {
      if (recorded.hash !== config.coordinator.charter) {
        throw new FederationError(
          'FORBIDDEN',
          'the coordinator serves another consortium than the one in the invitation',
        );
      }
    } else if (federation.charter === undefined) {
      throw new FederationError('STATE', `expected the charter first, got "${message.type}"`);
    }
    assertSignedBy(
      message,
      federation.charter?.payload.coordinatorKey ?? (message as Message<'charter'>).payload.coordinatorKey,
    );
    assertFollows(federation.runs, message);
    apply(federation, recorded);
    const run = runOf(this.context, message, recorded.hash);
    if (run !== undefined) this.step(run, message);
    this.onChange();
  }

  async close(): Promise<void> {
    await Promise.all(this.followed.map((followed) => followed.close()));
  }

  private step(run: Run, message: Message): void {
    if (!run.plan.participants.includes(this.context.config.participant)) return;
    let followed = this.runs.get(run.id);
    if (followed === undefined) {
      followed = new FollowedRun(run, this.context, this.onChange);
      this.runs.set(run.id, followed);
    }
    followed.take(message);
  }
}

/** One run as this bank follows it. */
export class FollowedRun {
  readonly run: Run;
  /** What the bank does in it right now, for `agent status`. */
  detail = 'proposed';
  private readonly context: AgentContext;
  private readonly onChange: () => void;
  private computer: RunComputer | undefined;
  private position: Position | undefined;
  private takesPart = false;
  private turn: Promise<void> = Promise.resolve();
  /** Why this agent has left the run. */
  private left: ErrorCode | undefined;

  constructor(run: Run, context: AgentContext, onChange: () => void) {
    this.run = run;
    this.context = context;
    this.onChange = onChange;
  }

  take(message: Message): void {
    // what is needed of the state is captured now: the fold may be ahead when the task gets there
    const { phase } = this.run;
    const open = phase.name === 'collecting' ? phase.open : undefined;
    const past = this.run.past.at(-1);
    this.turn = this.turn.then(async () => {
      if (this.context.signal.aborted) return;
      try {
        if (this.left === undefined) await this.step(message, open, past);
        else if (open !== undefined && !isPast(this.run, open.hash))
          await refuseRound(this.run, open, this.left, this.context);
      } catch (error) {
        if (!this.context.signal.aborted) await this.leave(error, open);
      }
    });
  }

  /** Something this agent cannot mend: it says so in the open round and in every later one. */
  private async leave(error: unknown, open: OpenRound | undefined): Promise<void> {
    this.left = error instanceof FederationError ? error.code : 'INTERNAL';
    this.say(`left the run: ${describeError(error)}`);
    this.context.log.error({ run: this.run.id, err: error }, 'this agent leaves the run');
    const takesPart = this.run.roster.includes(this.context.config.participant);
    await this.release();
    if (!takesPart) this.left = undefined;
    else if (open !== undefined && !isPast(this.run, open.hash)) {
      await refuseRound(this.run, open, this.left, this.context).catch(() => {}); // it is stopping
    }
  }

  async close(): Promise<void> {
    await this.computer?.dispose();
    await this.turn;
  }

  private async step(
    message: Message,
    open: Parameters<typeof answerRound>[1] | undefined,
    past: Run['past'][number] | undefined,
  ): Promise<void> {
    const { run, context } = this;
    switch (message.type) {
      case 'run-proposed':
        // a run that is over when the agent hears of it needs no rows, unless its model is still to be had
        if (isFinished(run) && !(await lacksModel(run, context))) return;
        this.say('considering');
        this.computer = context.createComputer(context.config.data.file);
        this.takesPart = await considerRun(run, this.computer, context);
        this.say(this.takesPart ? 'consented' : 'refused');
        if (!this.takesPart) await this.release();
        return;
      case 'run-started':
        if (!this.takesPart || !message.payload.roster.includes(context.config.participant))
          return this.release();
        this.position = await this.computer!.begin(run.plan, message.payload.roster.length);
        return undefined;
      case 'open-round': {
        if (this.position === undefined || isPast(run, open!.hash)) return;
        const { round, question } = open!.payload;
        this.say(`answering round ${round} (${question.kind})`);
        await answerRound(run, open!, this.position, this.computer!, context);
        this.say(`answered round ${round} (${question.kind})`);
        return;
      }
      case 'close-round':
      case 'void-round':
        if (this.position !== undefined)
          this.position = (await takeSum(past!, this.computer!, context)) ?? this.position;
        return;
      case 'run-finished':
        if (this.position !== undefined) await keepModel(run, this.position, context);
        this.say(message.payload.outcome);
        return this.release();
      default:
        return;
    }
  }

  private say(detail: string): void {
    this.detail = detail;
    this.onChange();
  }

  private async release(): Promise<void> {
    await this.computer?.dispose();
    this.computer = undefined;
    this.position = undefined;
    this.takesPart = false;
  }
}

function isFinished(run: Run): boolean {
  return run.phase.name === 'finished';
}

/** Whether a round ended while this agent was still busy with earlier entries. */
function isPast(run: Run, ctx: string): boolean {
  return run.phase.name !== 'collecting' || run.phase.open.hash !== ctx;
}

function runOf({ federation }: AgentContext, message: Message, hash: string): Run | undefined {
  switch (message.type) {
    case 'run-proposed':
      return federation.runs.get(hash as RunId);
    case 'run-started':
    case 'open-round':
    case 'run-finished':
      return federation.runs.get(message.payload.run);
    case 'close-round':
    case 'void-round':
      return federation.runs.get(federation.roundRuns.get(message.payload.ctx)!);
    default:
      return undefined;
  }
}

/**
 * The order of a run's messages, as far as a bank can see it: it does not hear the other banks.
 * @throws FederationError STATE
 */
function assertFollows(runs: ReadonlyMap<RunId, Run>, message: Message): void {
  if (message.type === 'charter' || message.type === 'run-proposed') return;
  const run =
    'run' in message.payload
      ? runs.get(message.payload.run)
      : [...runs.values()].find(
          ({ phase }) =>
            phase.name === 'collecting' &&
            'ctx' in message.payload &&
            phase.open.hash === message.payload.ctx,
        );
  const parent = 'parent' in message.payload ? message.payload.parent : undefined;
  const phase = run?.phase.name;
  const inOrder =
    run !== undefined &&
    (message.type === 'run-started'
      ? phase === 'proposed'
      : message.type === 'open-round'
        ? phase === 'ready' && parent === lastHash(run)
        : message.type === 'run-finished'
          ? phase !== 'finished' && parent === lastHash(run)
          : phase === 'collecting');
  if (!inOrder)
    throw new FederationError(
      'STATE',
      `"${message.type}" does not follow from what the coordinator said before`,
    );
}
