/**
 * The agent's side of every run: entries of the feed are checked and folded with the same fold as the
 * coordinator's; each run then goes on in a task of its own (followed-run.ts), in the order of its entries.
 */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { checkEntry, runOfEntry } from '#participant-agent/rounds/check-entry.ts';
import { FollowedRun } from '#participant-agent/rounds/followed-run.ts';
import { apply } from '#shared/ledger/federation.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import type { Message } from '#shared/protocol/messages.ts';

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
    const recorded = checkEntry(raw, this.context);
    if (recorded === undefined) return;
    const { message } = recorded.entry;
    const { federation } = this.context;
    apply(federation, recorded);
    const run = runOfEntry(federation, message, recorded.hash);
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
