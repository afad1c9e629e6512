/**
 * The whole life of a run on one screen:
 *
 *   fold of the ledger → decide → one effect → the ledger grows → decide …
 *
 * Each effect ends in an entry; entries are unique by constraint. So it does not matter where the last
 * process stopped: `recover` brings back what is only in memory (the program's state and the running sum) by
 * replaying bodies, and the loop goes on.
 */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Logger } from '#coordinator/logger.ts';
import type { AwaySince } from '#coordinator/rounds/absence.ts';
import { decide, type Next } from '#coordinator/rounds/decide.ts';
import { closeRound } from '#coordinator/rounds/phases/close-round.ts';
import {
  openSession,
  sealSession,
  settleComplaints,
  voidSession,
} from '#coordinator/rounds/phases/deal-keys.ts';
import { fixSurvivors } from '#coordinator/rounds/phases/fix-survivors.ts';
import { offerCheckpoint } from '#coordinator/rounds/phases/offer-checkpoint.ts';
import { openRound } from '#coordinator/rounds/phases/open-round.ts';
import { completeRun, failRun } from '#coordinator/rounds/phases/run-finished.ts';
import { startRun } from '#coordinator/rounds/phases/run-started.ts';
import { voidRound } from '#coordinator/rounds/phases/void-round.ts';
import type { Accepting } from '#coordinator/rounds/one-at-a-time.ts';
import type { ShareTables } from '#coordinator/rounds/share-tables.ts';
import { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import { asStorageError, isStorageFault } from '#coordinator/store/storage-error.ts';
import type { Wakeup } from '#coordinator/rounds/wakeup.ts';
import { programNamed } from '#models/catalogue.ts';
import { RunMachine } from '#models/run-machine.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

export interface RunDependencies {
  readonly journal: Journal;
  readonly bodies: BodyStore;
  /** The machine's; deadlines are held against `journal.now()`. */
  readonly clock: Clock;
  readonly awaySince: AwaySince;
  readonly log: Logger;
  /** Running sums by the hash of their open-round; `accept-update` adds to them. */
  readonly sums: Map<string, RunningSum>;
  /** Updates that are being accepted at this moment. */
  readonly accepting: Map<string, Accepting>;
  readonly shareTables: ShareTables;
  readonly random: RandomBytes;
}

/** Pause before the disk or the database is tried again. */
const STORAGE_RETRY_MS = 1000;

export class RunDriver {
  readonly run: Run;
  private readonly deps: RunDependencies;
  private readonly wakeup: Wakeup;
  private machine: RunMachine | undefined;
  private sum: RunningSum | undefined;
  /** What recovery could not bring back. */
  private lost: { code: ErrorCode; reason: string } | undefined;

  constructor(run: Run, deps: RunDependencies, wakeup: Wakeup) {
    this.run = run;
    this.deps = deps;
    this.wakeup = wakeup;
  }

  /** Rebuilds the program's state, and the sum of an open round, from the ledger and its bodies. */
  async recover(): Promise<void> {
    const { run, deps } = this;
    if (run.phase.name === 'proposed' || run.phase.name === 'finished') return;
    let machine: RunMachine;
    try {
      machine = await this.startMachine();
    } catch (error) {
      this.lost = { code: 'STORAGE', reason: `the run cannot be taken up again: ${describeError(error)}` };
      return;
    }
    for (const { end } of run.past) {
      if (end.outcome === 'void') continue;
      const { sumRoot, survivors } = end.payload;
      const sum = await deps.bodies.read(sumRoot).catch(() => new Uint8Array(0));
      if (vectorRoot(sum) !== sumRoot) {
        this.lost = {
          code: 'STORAGE',
          reason: `the sum ${sumRoot} is lost; restore it from a backup before starting`,
        };
        return;
      }
      try {
        machine.next(wordsOf(machine.asked!.question.ring, sum), survivors.length, sumRoot);
      } catch (error) {
        // as it was about to fail when the process ended
        const code = error instanceof FederationError ? error.code : 'INTERNAL';
        this.lost = { code, reason: describeError(error) };
        return;
      }
    }
    if (run.phase.name !== 'collecting') return;
    const { open } = run.phase;
    const running = this.startSum(open, machine);
    for (const [index, { vectorRoot: root }] of open.inputs) {
      if (await running.isIntact(root)) await running.add(index, root);
      else this.lost = { code: 'STORAGE', reason: `the update of "${open.roster[index]}" was lost on disk` };
    }
  }

  /** Runs until the run is finished or `wakeup` is closed. */
  async drive(): Promise<void> {
    await this.decideAndAct();
    if (isFinished(this.run)) this.release();
  }

  private async decideAndAct(): Promise<void> {
    const { run, deps, wakeup } = this;
    while (!wakeup.closed) {
      const decision = this.afterLoss() ?? decide(run, deps.journal.now(), deps.awaySince, this.next);
      if (decision.kind === 'over') break;
      if (decision.kind === 'wait') {
        await wakeup.wait(decision.until - deps.journal.now());
        continue;
      }
      const { size } = deps.journal.state;
      try {
        await this.carryOut(decision);
      } catch (thrown) {
        const error = asStorageError(thrown);
        if (wakeup.closed || isFinished(run)) break;
        if (deps.journal.isBroken) throw error;
        // something was recorded after the decision: the operator did the same, or a bank was revoked
        if (error instanceof FederationError && error.code === 'STATE' && deps.journal.state.size !== size)
          continue;
        if (error instanceof FederationError && isStorageFault(error)) {
          // a full or slow disk, or a database that is away, is not the run's fault: the round stays as it is, and is tried again
          deps.log.error({ run: run.id, code: error.code }, error.message);
          await wakeup.wait(STORAGE_RETRY_MS);
          continue;
        }
        const code = error instanceof FederationError ? error.code : 'INTERNAL';
        deps.log.error({ run: run.id, code, err: error }, 'run failed');
        await failRun(run, code, describeError(error), deps.journal).catch((refused: unknown) => {
          if (!isFinished(run)) throw refused; // else the operator has stopped it meanwhile
        });
      }
    }
  }

  private get next(): Next {
    if (this.machine?.finished !== undefined) return 'done'; // only the run is to be finished
    return this.machine?.asked?.question;
  }

  /** What recovery found missing costs the open round, or, when there is none, the run. */
  private afterLoss(): { kind: 'void' | 'fail'; code: ErrorCode; reason: string } | undefined {
    const { lost } = this;
    if (lost === undefined || isFinished(this.run)) return undefined;
    this.lost = undefined;
    return { kind: this.sum === undefined ? 'fail' : 'void', ...lost };
  }

  private async carryOut(
    decision: Exclude<ReturnType<typeof decide>, { kind: 'wait' | 'over' }>,
  ): Promise<void> {
    const { run, deps } = this;
    const { journal, bodies } = deps;
    const open = run.phase.name === 'collecting' ? run.phase.open : undefined;
    switch (decision.kind) {
      case 'start':
        return startRun(run, journal);
      case 'deal':
        return openSession(run, decision.participants, this.roundsLeft(), journal, deps.random);
      case 'seal':
        return sealSession(run.session!, journal);
      case 'settle':
        return settleComplaints(run, run.session!, journal);
      case 'void-session':
        return voidSession(run.session!, decision.code, decision.reason, journal);
      case 'fix':
        return fixSurvivors(open!, journal);
      case 'ask': {
        const machine = (this.machine ??= await this.startMachine());
        if (machine.finished !== undefined) return undefined; // a program without questions: now it is done
        await openRound(run, machine, journal);
        if (run.phase.name === 'collecting') this.startSum(run.phase.open, machine);
        return undefined;
      }
      case 'offer':
        return offerCheckpoint(run, journal);
      case 'complete':
        return completeRun(run, this.machine!.finished!, this.machine!.metrics, bodies, journal);
      case 'close':
        await closeRound(run, open!, this.sum!, this.machine!, bodies, journal);
        deps.sums.delete(open!.hash);
        return undefined;
      case 'void':
        await voidRound(open!, decision.code, decision.reason, journal);
        deps.sums.delete(open!.hash);
        return undefined;
      case 'fail':
        return failRun(run, decision.code, decision.reason, journal);
    }
  }

  /** Rounds the program may still ask for: keys for more would never be used. */
  private roundsLeft(): number {
    const { name, settings } = this.run.plan.program;
    const { phase } = this.run;
    return programNamed(name).maximumRounds(settings) - (phase.name === 'ready' ? phase.round : 0);
  }

  /** @throws FederationError PLAN | OVERFLOW */
  private async startMachine(): Promise<RunMachine> {
    const { plan, roster } = this.run;
    const contract = await readContract(this.deps.bodies, plan.contract);
    return (this.machine = new RunMachine(plan, contract, roster.length));
  }

  private startSum(open: OpenRound, machine: RunMachine): RunningSum {
    this.sum = new RunningSum(machine.asked!, this.deps.bodies);
    this.deps.sums.set(open.hash, this.sum);
    return this.sum;
  }

  /** A finished run keeps no vectors in memory. */
  private release(): void {
    for (const [ctx, sum] of this.deps.sums) if (sum === this.sum) this.deps.sums.delete(ctx);
    this.deps.shareTables.forget(this.run.id);
    this.sum = undefined;
  }
}

// a function, because TypeScript would keep the narrowing of `phase` across an await
function isFinished(run: Run): boolean {
  return run.phase.name === 'finished';
}

export async function readContract(bodies: BodyStore, root: string): Promise<DataContract> {
  return dataContract.parse(JSON.parse(new TextDecoder().decode(await bodies.read(root))));
}
