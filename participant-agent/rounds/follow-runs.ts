/**
 * The agent's side of every run: entries of the feed are checked and folded with the same fold as the
 * coordinator's; each run then goes on in a task of its own (followed-run.ts), in the order of its entries.
 */
import { ledgerOf, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { checkEntry, runOfEntry } from '#participant-agent/rounds/check-entry.ts';
import { FollowedRun } from '#participant-agent/rounds/followed-run.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { apply } from '#shared/ledger/federation.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message, SignedHead } from '#shared/protocol/messages.ts';
import { hiddenEntry, type FeedEntry } from '#shared/protocol/socket-events.ts';

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
   * Takes one position of the ledger. Those that came before are passed over.
   * @throws FederationError when the coordinator says something it must not, FORK above all
   */
  take(raw: FeedEntry): void {
    const { federation, witness } = this.context;
    const { seq } = raw;
    if (typeof seq !== 'number' || seq < witness.tree.size) return;
    if (seq > witness.tree.size)
      throw new FederationError('LEDGER', `expected entry ${witness.tree.size}, was shown entry ${seq}`);
    if ('leaf' in raw) {
      witness.grow(fromHex(hiddenEntry.parse(raw).leaf));
      federation.size = witness.tree.size;
      return;
    }
    const recorded = checkEntry(raw, this.context);
    const { message } = recorded.entry;
    if ('head' in message.payload) this.checkHead(message.payload.head);
    witness.grow(recorded.leaf);
    apply(federation, recorded);
    const run = runOfEntry(federation, message, recorded.hash);
    if (run !== undefined) this.step(run, message);
    this.onChange();
  }

  private checkHead(head: SignedHead): void {
    const { witness, log } = this.context;
    const ledger = ledgerOf(this.context);
    witness.check(head, ledger);
    // with the process's own speed: what depends on it (a cosignature) keeps it again, and waits
    witness
      .remember(head, ledger, false)
      .catch((error: unknown) => log.warn({ err: error }, 'the witnessed head cannot be written'));
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
