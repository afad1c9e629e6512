/** One driver for each unfinished run: after a start, and whenever a run is proposed. */
import { RunDriver, type RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { Wakeup } from '#coordinator/rounds/wakeup.ts';
import { runOfEntry } from '#shared/ledger/run-index.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { RunId } from '#shared/protocol/ids.ts';

export class RunDrivers {
  private readonly deps: RunDependencies;
  private readonly onBroken: (error: FederationError) => void;
  private readonly wakeups = new Map<string, Wakeup>();
  private readonly driving = new Set<Promise<void>>();

  constructor(deps: RunDependencies, onBroken: (error: FederationError) => void) {
    this.deps = deps;
    this.onBroken = onBroken;
  }

  /** What the process before left unfinished; from here on also what is proposed. */
  async recoverAll(): Promise<void> {
    const { journal } = this.deps;
    for (const [id, run] of journal.state.runs) if (run.phase.name !== 'finished') await this.take(id);
    journal.onRecorded((recorded) => {
      if (recorded.entry.message.type === 'revoke') this.wakeAll();
      const run = runOfEntry(journal.state, recorded);
      if (run === undefined) return;
      if (recorded.entry.message.type === 'run-proposed')
        this.take(run).catch((cause: unknown) => this.onBroken(asBroken(cause)));
      else this.wakeups.get(run)?.wake();
    });
  }

  wakeAll(): void {
    for (const wakeup of this.wakeups.values()) wakeup.wake();
  }

  async close(): Promise<void> {
    for (const wakeup of this.wakeups.values()) wakeup.close();
    await Promise.all(this.driving);
  }

  private async take(id: RunId): Promise<void> {
    const wakeup = new Wakeup();
    this.wakeups.set(id, wakeup);
    const driver = new RunDriver(this.deps.journal.state.runs.get(id)!, this.deps, wakeup);
    await driver.recover();
    const driving = driver
      .drive()
      .catch((cause: unknown) => this.onBroken(asBroken(cause)))
      .finally(() => {
        this.wakeups.delete(id);
        this.driving.delete(driving);
      });
    this.driving.add(driving);
  }
}

function asBroken(cause: unknown): FederationError {
  return cause instanceof FederationError
    ? cause
    : new FederationError('INTERNAL', describeError(cause), { cause });
}
