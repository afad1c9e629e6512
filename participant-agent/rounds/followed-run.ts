/**
 * One run at this bank: carries out what the bank's part in it (shared/participant/participant.ts) says, and tells it
 * what became of that.
 *
 *   the ledger grows → step → effects, in their order: kept on disk, then sent; or computed beside
 *
 * After a restart the same part is made again from the ledger and from the promises on disk.
 */
import { join } from 'node:path';
import { ledgerOf, submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { compareSum } from '#participant-agent/rounds/compare-sum.ts';
import { decideRun } from '#participant-agent/rounds/decide-run.ts';
import { keepModel, lacksModel } from '#participant-agent/rounds/keep-model.ts';
import { loadRows } from '#participant-agent/rounds/load-rows.ts';
import { RunGuard } from '#participant-agent/rounds/run-guard.ts';
import { sendWithBody } from '#participant-agent/rounds/send-with-body.ts';
import { PromiseFile } from '#participant-agent/state/promise-file.ts';
import type { Query } from '#participant-agent/state/query-ledger.ts';
import type { FinishedPosition, RunComputer } from '#participant-agent/training/run-computer.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import {
  isOpen,
  roundsOf,
  type OpenRound,
  type PastRound,
  type Run,
} from '#shared/ledger/federation-state.ts';
import type { Effect, Event } from '#shared/participant/effects.ts';
import { Participant } from '#shared/participant/participant.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

/** An answer that took less time than this is made again after a crash: the same rows and seeds give the same bytes. */
const KEEP_ABOVE_MS = 500;
type Of<Do extends Effect['do']> = Extract<Effect, { do: Do }>;

export class FollowedRun {
  readonly run: Run;
  private readonly context: AgentContext;
  private readonly onChange: () => void;
  private readonly guard: RunGuard;
  private part: Participant | undefined;
  private opening: Promise<void> | undefined;
  private promises: PromiseFile | undefined;
  private computer: RunComputer | undefined;
  private position: FinishedPosition | undefined;
  /** The vector of the newest answer, until it is sent. */
  private vector: { readonly ctx: string; readonly bytes: Uint8Array } | undefined;
  private isAwake = false;
  /** Nothing is to be done in it any more. */
  private isOver = false;
  private alarm: NodeJS.Timeout | undefined;
  /** What is done one after the other: what is kept, and what is sent. */
  private turn: Promise<void> = Promise.resolve();
  /** What the computer is asked, one after the other. */
  private computing: Promise<void> = Promise.resolve();
  /** Whatever else is under way. */
  private readonly underWay = new Set<Promise<unknown>>();
  /** Aborts what is under way in this run. */
  private readonly ending = new AbortController();
  private readonly signal: AbortSignal;

  constructor(run: Run, context: AgentContext, onChange: () => void) {
    this.run = run;
    this.context = context;
    this.onChange = onChange;
    this.guard = new RunGuard(run, context);
    this.signal = AbortSignal.any([context.signal, this.ending.signal]);
  }

  /** What the bank does in the run right now, for `agent status`. */
  get detail(): string {
    return (
      this.part?.detail ?? (this.run.phase.name === 'finished' ? this.run.phase.result.outcome : 'proposed')
    );
  }

  /** The ledger has grown. What happened while the agent was away is history: it is seen whole before anything is done. */
  wake(): void {
    if (this.isAwake || this.isOver || this.context.signal.aborted) return;
    this.isAwake = true;
    this.beside(async () => {
      await this.context.connection.untilReady(this.context.signal);
      this.isAwake = false;
      await (this.opening ??= this.open()); // once, whoever wakes meanwhile
      this.tell({ kind: 'ledger' });
    });
  }

  async close(): Promise<void> {
    this.ending.abort();
    clearTimeout(this.alarm);
    await this.computer?.dispose(); // what it is computing is broken off
    await this.turn;
    await Promise.all(this.underWay);
    await this.promises?.close();
  }

  private async open(): Promise<void> {
    const { run, context } = this;
    // a run that is over when the agent hears of it needs no rows, unless its model is still to be had
    if (run.phase.name === 'finished' && !(await lacksModel(run, context))) {
      await context.vault.forgetAll(this.sessions());
      this.isOver = true;
      return;
    }
    this.promises = await PromiseFile.open(join(context.state.folder, 'state/promises', `${run.id}.jsonl`));
    this.part = new Participant({
      run,
      id: context.config.participant,
      seed: context.seed,
      promises: this.promises.all,
      guard: this.guard,
      checksAllSums: context.policy.verify === 'full',
    });
  }

  private tell(event: Event): void {
    if (this.part === undefined || this.context.signal.aborted) return;
    for (const effect of this.part.step(event, this.context.clock.now())) this.carryOut(effect);
    this.onChange();
  }

  private carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'decide':
        return this.beside(async () => {
          const decision = await decideRun(this.run, this.context, this.signal);
          if (decision !== undefined) this.tell({ kind: 'decided', decision });
        });
      case 'load':
        return this.compute((computer) => this.load(computer));
      case 'begin':
        return this.compute(async (computer) =>
          this.stand(await computer.begin(this.run.plan, this.run.roster.length)),
        );
      case 'take-sum':
        return this.compute((computer) => this.takeSum(computer, effect.past));
      case 'answer':
        return this.compute((computer) => this.answer(computer, effect));
      case 'check-sum':
        return this.beside(() => this.checkSum(effect.past));
      case 'open-keys':
        return this.inTurn(() => this.openKeys(effect));
      case 'fetch-shares':
        return this.beside(() => this.fetchShares(effect));
      case 'wake':
        clearTimeout(this.alarm);
        this.alarm = setTimeout(() => this.tell({ kind: 'ledger' }), effect.at - this.context.clock.now());
        return;
      case 'report':
        return this.context.log[effect.level]({ run: this.run.id, err: effect.error }, effect.text);
      case 'end':
        return this.end(effect);
      case 'keep':
        return this.inTurn(() => this.promises!.put(effect.purposes, effect.message));
      case 'keep-keys':
        return this.inTurn(() => this.context.vault.keep(effect.session, effect.held, effect.isNew));
      case 'forget-keys':
        return this.inTurn(() => this.context.vault.forget(effect.session));
      case 'say':
        return this.inTurn(() => this.say(effect));
      case 'cosign':
        return this.inTurn(() => this.cosign());
    }
  }

  /** @throws nothing: what fails makes the bank leave the run, unless it is stopping */
  private async guarded(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!this.signal.aborted) this.tell({ kind: 'failed', error });
    }
  }

  private inTurn(act: () => Promise<void>): void {
    this.turn = this.turn.then(() => (this.context.signal.aborted ? undefined : this.guarded(act)));
  }

  private beside(act: () => Promise<void>): void {
    const done = this.guarded(act).finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }

  private compute(act: (computer: RunComputer) => Promise<void>): void {
    const computer = (this.computer ??= this.context.createComputer(this.context.config.data.file));
    const before = this.computing;
    this.beside(
      () => (this.computing = before.then(() => (this.signal.aborted ? Promise.resolve() : act(computer)))),
    );
  }

  private async load(computer: RunComputer): Promise<void> {
    try {
      const rows = await loadRows(this.run, computer, this.context, this.signal);
      await this.context.queries.keepSnapshot(rows);
      this.guard.rows = rows.id;
    } catch (error) {
      if (!(error instanceof FederationError) || error.code === 'STOPPED') throw error;
      this.context.log.warn({ run: this.run.id, code: error.code }, error.message);
      return this.tell({ kind: 'not-loaded', reason: error.message });
    }
    this.tell({ kind: 'loaded' });
  }

  private stand(position: FinishedPosition): void {
    this.position = position;
    this.tell({ kind: 'position', position });
  }

  private async takeSum(computer: RunComputer, { open, end }: PastRound): Promise<void> {
    await this.context.state.forgetAnswer(open.hash);
    if (end.outcome !== 'closed') return;
    const { sumRoot, survivors } = end.payload;
    const sum = await this.context.bodies.download(sumRoot, this.signal);
    this.stand(await computer.next(sum, survivors.length, sumRoot));
  }

  /** A vector that took a while is kept before it is sent, so that a restart sends the same bytes again. */
  private async answer(computer: RunComputer, { open, masks }: Of<'answer'>): Promise<void> {
    const { context, run } = this;
    const { round } = open.payload;
    const started = context.clock.now();
    try {
      if (this.vector !== undefined) await context.state.forgetAnswer(this.vector.ctx); // of a round that was given up
      let answer = await context.state.answerFor(open.hash);
      if (answer === undefined) {
        const report = (fraction: number): void =>
          context.connection.progress({ run: run.id, round, stage: 'answering', fraction });
        report(0);
        // rounding is seeded by the plan, not by when: the same rows and seed give the same bits in every run
        const roundingSeed = `${run.plan.seed}/${round}/${context.config.participant}`;
        const made = await computer.answer(roundingSeed, masks, report);
        answer = { root: made.root, bytes: made.body };
        if (context.clock.now() - started > KEEP_ABOVE_MS)
          await context.state.keepAnswer(open.hash, answer.root, answer.bytes);
      }
      this.vector = { ctx: open.hash, bytes: answer.bytes };
      this.tell({ kind: 'answered', ctx: open.hash, vectorRoot: answer.root });
    } catch (error) {
      const code: ErrorCode = error instanceof FederationError ? error.code : 'INTERNAL';
      if (code === 'STOPPED') throw error;
      const reason = describeError(error);
      context.log.error({ run: run.id, round, code }, `refusing the round: ${reason.slice(0, 500)}`);
      this.tell({ kind: 'not-answered', ctx: open.hash, code, reason });
    }
  }

  private async checkSum({ open, end }: PastRound): Promise<void> {
    if (end.outcome === 'closed') await compareSum(open, end.payload.sumRoot, this.context, this.signal);
    this.tell({ kind: 'checked', ctx: open.hash });
  }

  private async openKeys({ session, make }: Of<'open-keys'>): Promise<void> {
    const { vault } = this.context;
    const kept = make
      ? { seed: await vault.makeSeed(session) }
      : { seed: await vault.seedOf(session), held: await vault.heldOf(session) };
    this.tell({ kind: 'keys', session, kept });
  }

  private async fetchShares({ session, dealers }: Of<'fetch-shares'>): Promise<void> {
    let bytes: Uint8Array;
    try {
      bytes = await this.context.bodies.downloadShares(session, this.signal);
    } catch (error) {
      if (!isOver(error)) throw error;
      return this.tell({ kind: 'shares', session, packages: undefined });
    }
    const length = bytes.length / dealers.length;
    const packages = new Map(
      dealers.map((dealer, i) => [dealer, bytes.subarray(i * length, (i + 1) * length)]),
    );
    this.tell({ kind: 'shares', session, packages });
  }

  /** Kept on disk before it leaves. */
  private async say({ message, purposes, round, detail, body }: Of<'say'>): Promise<void> {
    const { context, run } = this;
    const query = message.type === 'consistency-check' ? this.queryIn(message.payload.ctx) : undefined;
    if (query !== undefined) await context.queries.keep(query);
    if (purposes.length > 0) await this.promises!.put(purposes, message);
    const about = { run: run.id, ...(round === undefined ? {} : { round }), detail };
    if (body === undefined) {
      await submitMessage(context, message, about);
    } else {
      const { open, root } = body;
      const bytes = body.bytes ?? this.vectorOf(open!);
      if (bytes === undefined) return; // another round is open by now
      if (open !== undefined)
        context.connection.progress({
          run: run.id,
          round: open.payload.round,
          stage: 'uploading',
          fraction: 0,
        });
      const what =
        open === undefined ? detail : `${detail}, ${run.plan.aggregation}, root ${root.slice(0, 16)}…`;
      const isWanted = (): boolean =>
        open === undefined ? run.session?.sealed === undefined : isOpen(run, open);
      await sendWithBody(
        context,
        { root, bytes, about: { ...about, detail: what } },
        message,
        about,
        isWanted,
      );
    }
    if (message.type === 'consent') {
      const { decision, reason } = message.payload;
      context.log.info({ run: run.id, name: run.plan.name, decision, reason }, `consent ${decision}`);
    }
    if (round !== undefined) context.connection.endProgress(run.id);
  }

  /** What a certificate is for is remembered before it leaves. */
  private queryIn(ctx: string): Query | undefined {
    const open = roundsOf(this.run).find(({ hash }) => hash === ctx);
    return open && this.guard.queryOf(open);
  }

  private vectorOf(open: OpenRound): Uint8Array | undefined {
    return this.vector?.ctx === open.hash ? this.vector.bytes : undefined;
  }

  /**
   * The head was found right when the entry was taken; it is on disk before the cosignature leaves, so that this bank
   * can never be made to cosign another history.
   */
  private async cosign(): Promise<void> {
    const { run, context } = this;
    const { config, witness, seed, clock } = context;
    const { hash: checkpoint, payload } = run.checkpoint!;
    const ledger = ledgerOf(context);
    await witness.remember(payload.head, ledger, true);
    const time = Math.floor(clock.now() / 1000);
    const signature = witness.cosign(payload.head, ledger.origin, time);
    const message = signMessage('cosign', { checkpoint, from: config.participant, time, signature }, seed);
    const detail = `cosignature of the ledger's first ${payload.head.size} entries`;
    await submitMessage(context, message, { run: run.id, detail });
  }

  private end({ keepModel: isKept }: Of<'end'>): void {
    const { computer, context, run } = this;
    this.ending.abort();
    clearTimeout(this.alarm);
    this.computer = undefined;
    this.vector = undefined;
    this.beside(async () => computer?.dispose());
    this.inTurn(async () => {
      // the model comes last: while it is lacking, a restart goes through all of this again
      await context.vault.forgetAll(this.sessions());
      for (const { open } of run.past) await context.state.forgetAnswer(open.hash);
      if (isKept) await keepModel(run, this.position, context);
      else if (run.phase.name === 'finished')
        context.log.warn({ run: run.id }, `run ${run.phase.result.outcome}: ${run.phase.result.reason}`);
      this.onChange();
    });
  }

  /** Those of this run. */
  private sessions(): string[] {
    const { sessionRuns } = this.context.federation;
    return [...sessionRuns].filter(([, run]) => run === this.run.id).map(([session]) => session);
  }
}

/** The session is void, or another has taken its place, of which the coordinator knows before this bank does. */
function isOver(error: unknown): boolean {
  return error instanceof FederationError && (error.code === 'LATE' || error.code === 'STALE');
}
