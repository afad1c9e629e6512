/**
 * The agent's side of every run: entries of the feed are checked and folded with the same fold as the
 * coordinator's; each run then goes on in a task of its own (followed-run.ts), in the order of its entries.
 */
import { z } from 'zod';
import { ledgerOf, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { checkEntry } from '#participant-agent/rounds/check-entry.ts';
import { runOfEntry } from '#shared/ledger/run-index.ts';
import { FollowedRun } from '#participant-agent/rounds/followed-run.ts';
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { parseMessage } from '#shared/protocol/messages.ts';
import { signedHead, type SignedHead } from '#shared/protocol/payloads/fields.ts';
import {
  announcedBody,
  hiddenEntries,
  type AnnouncedBody,
  type FeedItem,
} from '#shared/protocol/socket-events.ts';

const HASH_BYTES = 32;
/** What is looked at before the rest is parsed. */
const position = z.looseObject({ seq: z.int().min(0) });

export class RunFollower {
  private readonly context: AgentContext;
  private awaited: SignedHead | undefined;
  /** Whether the coordinator's newest head is of fewer entries than this bank has seen. */
  private isBehind = false;
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
   * Takes what comes next of the ledger, or a body that its next entry announces. What came before must be as it was.
   * @throws FederationError when the coordinator says something it must not, FORK above all
   */
  take(raw: FeedItem): void {
    const { federation, witness } = this.context;
    if (isBody(raw)) return this.takeBody(raw);
    if (!position.safeParse(raw).success)
      throw new FederationError('SCHEMA', 'expected one position of the ledger');
    const { seq } = raw;
    if (seq > witness.tree.size)
      throw new FederationError('LEDGER', `expected entry ${witness.tree.size}, was shown entry ${seq}`);
    if ('leaves' in raw) return this.takeHidden(raw);
    if (seq < witness.tree.size) return witness.assertSame(seq, leafOf(raw));
    const recorded = checkEntry(raw, this.context);
    const { message } = recorded.entry;
    if ('head' in message.payload) this.checkHead(message.payload.head);
    witness.grow(recorded.leaf);
    apply(federation, recorded);
    const run = federation.runs.get(runOfEntry(federation, recorded)!);
    if (run !== undefined) this.step(run);
    this.onChange();
    this.checkAwaited();
  }

  private takeBody(raw: AnnouncedBody): void {
    const parsed = announcedBody.safeParse(raw);
    if (!parsed.success)
      throw new FederationError('SCHEMA', 'expected a small body as base64url, with its root');
    this.context.bodies.keepAnnounced(parsed.data.root, parsed.data.body);
  }

  private takeHidden(raw: FeedItem): void {
    const { federation, witness } = this.context;
    const parsed = hiddenEntries.safeParse(raw);
    if (!parsed.success) throw new FederationError('SCHEMA', 'expected the leaves of entries');
    const { seq, leaves } = parsed.data;
    const bytes = leavesIn(leaves);
    const known = Math.min(witness.tree.size - seq, bytes.length / HASH_BYTES) * HASH_BYTES;
    if (known > 0) witness.assertSame(seq, bytes.subarray(0, known));
    if (known < bytes.length) witness.grow(bytes.subarray(known));
    federation.size = witness.tree.size;
    this.checkAwaited();
  }

  /**
   * A head of the ledger on its own.
   * @throws FederationError FORK | SIG | SCHEMA
   */
  takeHead(raw: unknown): void {
    const parsed = signedHead.safeParse(raw);
    if (!parsed.success) throw new FederationError('SCHEMA', 'expected a signed head of the ledger');
    const head = parsed.data;
    const { size } = this.context.witness.tree;
    this.isBehind = head.size < size;
    // it may overtake the last entries of a batch
    if (head.size > size) this.awaited = head;
    else if (head.size === size) this.checkHead(head);
  }

  /**
   * All that the coordinator has was shown.
   * @throws FederationError ROLLBACK when that is less than before
   */
  assertNothingLost(): void {
    this.context.witness.assertNothingLost(this.isBehind);
  }

  private checkAwaited(): void {
    const { awaited } = this;
    if (awaited === undefined || awaited.size > this.context.witness.tree.size) return;
    this.awaited = undefined;
    this.checkHead(awaited);
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

  private step(run: Run): void {
    if (!run.plan.participants.includes(this.context.config.participant)) return;
    let followed = this.runs.get(run.id);
    if (followed === undefined) {
      followed = new FollowedRun(run, this.context, this.onChange);
      this.runs.set(run.id, followed);
    }
    followed.wake();
  }
}

function isBody(raw: FeedItem): raw is AnnouncedBody {
  return typeof raw === 'object' && (raw as FeedItem | null) !== null && 'body' in raw;
}

function leafOf(raw: Entry): Uint8Array {
  return recordEntry({ ...raw, message: parseMessage(raw.message) }).leaf;
}

/** @throws FederationError SCHEMA */
function leavesIn(text: string): Uint8Array {
  try {
    const bytes = fromBase64Url(text);
    if (bytes.length > 0 && bytes.length % HASH_BYTES === 0) return bytes;
  } catch {
    // said below
  }
  throw new FederationError('SCHEMA', 'expected one or more hashes of 32 bytes');
}
