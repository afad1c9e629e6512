/**
 * What the agent must remember, as files in its folder:
 *
 *   state/outbox/<ctx>.json     the answer it signed for a round, and state/bodies/<root> its vector: sent
 *                               again, byte for byte, if a reply was lost or the process died
 *   state/consents/<run>.json   the consent it signed; <run>.started: the run-started it follows
 *   state/decisions/<run>.json  what a person decided, for the agent to sign
 *   state/egress.jsonl          every message and body that left the bank: see egress-log.ts
 *   state/peers.json            the first identity key seen of each other bank
 *   state/promises, state/sessions   masked runs: see promise-file.ts and key-vault.ts
 *   state/witness.note          the newest head of the ledger this bank found right
 *   state/witness.flushed.note  the newest of them that was cosigned, or the first: it outlives a power loss
 *   state/status.json           what the agent is doing, for `agent status`
 *   models/<root>.json          the models it has received and recomputed
 *
 * Files are written as durable-file.ts does it, so that none is ever half there.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  overwriteFile,
  removeFile,
  replaceFile,
  replaceFileSync,
} from '#shared/platform/files/durable-file.ts';
import { EgressLog, type EgressRecord } from '#participant-agent/state/egress-log.ts';
import type { WitnessStore } from '#participant-agent/witness/witness.ts';
import { key32 } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import { parseMessage } from '#shared/protocol/messages.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const WITNESSED = 'state/witness.note';
const FLUSHED = 'state/witness.flushed.note';

const decision = z.strictObject({ decision: z.enum(['granted', 'refused']), reason: z.string().max(500) });
export type Decision = z.infer<typeof decision>;

/** What a run's `detail` says from its proposal until this bank's consent. */
export const CONSIDERING = 'considering';

export interface AgentStatus {
  /** The process that wrote it; killed, it leaves what it wrote last. */
  readonly pid: number;
  readonly connected: boolean;
  /** When it was connected, or was not any more. */
  readonly since: string;
  readonly runs: readonly { run: string; name: string; phase: string; detail: string }[];
}

export class AgentState implements WitnessStore {
  readonly folder: string;
  /** Answers that are on disk, by their round. */
  private readonly kept = new Map<string, BankMessage>();
  /** Rounds whose answers an earlier process left on disk. */
  private readonly left: Set<string>;

  private hasFlushedNote = false;
  private readonly egressLog: EgressLog;
  private readonly peers: Map<string, string>;
  private readonly changedPeers = new Map<string, string[]>();

  private constructor(folder: string, peers: Map<string, string>, left: Set<string>) {
    this.folder = folder;
    this.egressLog = new EgressLog(folder);
    this.peers = peers;
    this.left = left;
  }

  static async open(folder: string): Promise<AgentState> {
    for (const sub of ['state/outbox', 'state/consents', 'state/decisions', 'state/bodies', 'models']) {
      await mkdir(join(folder, sub), { recursive: true });
    }
    const peers = await readIfThere(join(folder, 'state/peers.json'));
    const known =
      peers === undefined
        ? {}
        : z.record(z.string(), key32).parse(parseJson(peers, join(folder, 'state/peers.json')));
    const left = (await readdir(join(folder, 'state/outbox')))
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length));
    return new AgentState(folder, new Map(Object.entries(known)), new Set(left));
  }

  /** The signed answer for a round and its body, if there is one already. */
  async answerFor(ctx: string): Promise<{ message: BankMessage; body: Uint8Array | undefined } | undefined> {
    if (!this.kept.has(ctx) && !this.left.has(ctx)) return undefined;
    // what a power loss has cut short is made again; the same rows and seeds give the same bytes
    const message = await this.readMessage(join('state/outbox', `${ctx}.json`)).catch(() => undefined);
    if (message === undefined) return undefined;
    this.kept.set(ctx, message);
    if (!('vectorRoot' in message.payload)) return { message, body: undefined };
    const root = message.payload.vectorRoot;
    const body = await readIfThere(join(this.folder, 'state/bodies', root));
    return body === undefined || vectorRoot(body) !== root ? undefined : { message, body };
  }

  /** @param body none when the answer is a refusal */
  async keepAnswer(ctx: string, message: BankMessage, body?: Uint8Array): Promise<void> {
    this.kept.set(ctx, message);
    if ('vectorRoot' in message.payload && body !== undefined) {
      await this.write(join('state/bodies', message.payload.vectorRoot), body);
    }
    await this.write(join('state/outbox', `${ctx}.json`), JSON.stringify(message));
  }

  /** A closed round's answer is of no more use; its body stays with the coordinator and in the ledger. */
  async forgetAnswer(ctx: string): Promise<void> {
    const path = join('state/outbox', `${ctx}.json`);
    const message =
      this.kept.get(ctx) ??
      (this.left.has(ctx) ? await this.readMessage(path).catch(() => undefined) : undefined);
    this.kept.delete(ctx);
    if (message === undefined && !this.left.delete(ctx)) return;
    if (message !== undefined && 'vectorRoot' in message.payload) {
      removeFile(join(this.folder, 'state/bodies', message.payload.vectorRoot));
    }
    removeFile(join(this.folder, path)); // last: it names the body
  }

  /**
   * Remembers how a run started, before anything is signed in it.
   * @throws FederationError EQUIVOCATION when it started otherwise in the history this bank saw before
   */
  async bindRun(run: string, started: string): Promise<void> {
    const path = join('state/consents', `${run}.started`);
    const bytes = await readIfThere(join(this.folder, path));
    if (bytes === undefined) return this.write(path, started, true);
    if (new TextDecoder().decode(bytes) !== started) {
      throw new FederationError(
        'EQUIVOCATION',
        'the coordinator shows another start of this run than before: other banks, or other keys',
      );
    }
    return undefined;
  }

  /** The key of another bank: the first that was seen, or the one it has since been changed to. */
  peerKey(id: string): string | undefined {
    return this.peerKeys(id).at(-1);
  }

  /** A change of key that the bank's key so far has signed. The ledger is read from its start at every start. */
  followPeer(id: string, key: string): void {
    this.changedPeers.set(id, [...(this.changedPeers.get(id) ?? []), key]);
  }

  /** The keys of another bank, each of which signed the change to the next. */
  peerKeys(id: string): string[] {
    const first = this.peers.get(id);
    return first === undefined ? [] : [first, ...(this.changedPeers.get(id) ?? [])];
  }

  /** Remembers keys of banks that were not known before. @throws the file system's own error */
  pinPeers(keys: ReadonlyMap<string, string>): void {
    const fresh = [...keys].filter(([id]) => !this.peers.has(id));
    if (fresh.length === 0) return;
    // in one go and before anything is signed for these peers
    const path = join(this.folder, 'state/peers.json');
    const text = JSON.stringify(Object.fromEntries([...this.peers, ...fresh]));
    replaceFileSync(path, text, { flush: true }, `${path}.new`);
    for (const [id, key] of fresh) this.peers.set(id, key);
  }

  async consentFor(run: string): Promise<BankMessage | undefined> {
    return this.readMessage(join('state/consents', `${run}.json`));
  }

  async keepConsent(run: string, message: BankMessage): Promise<void> {
    await this.write(join('state/consents', `${run}.json`), JSON.stringify(message), true);
  }

  /** What a person at the bank has decided about a run. */
  async decisionFor(run: string): Promise<Decision | undefined> {
    const path = join(this.folder, 'state/decisions', `${run}.json`);
    const bytes = await readIfThere(path);
    return bytes === undefined ? undefined : decision.parse(parseJson(bytes, path));
  }

  async keepDecision(run: string, value: Decision): Promise<void> {
    await this.write(join('state/decisions', `${run}.json`), JSON.stringify(value));
  }

  recordEgress(...records: readonly EgressRecord[]): Promise<void> {
    return this.egressLog.record(...records);
  }

  egress(): Promise<EgressRecord[]> {
    return this.egressLog.records();
  }

  async witnessedNotes(): Promise<string[]> {
    const newest = await readIfThere(join(this.folder, WITNESSED));
    const flushed = await readIfThere(join(this.folder, FLUSHED));
    this.hasFlushedNote = flushed !== undefined;
    return [newest, flushed].flatMap((bytes) =>
      bytes === undefined ? [] : [new TextDecoder().decode(bytes)],
    );
  }

  async keepWitnessedNote(note: string, flush: boolean): Promise<void> {
    // the first one too, or a power loss could leave nothing but a note that is cut short
    if (flush || !this.hasFlushedNote) await this.write(FLUSHED, note, true);
    this.hasFlushedNote = true;
    await overwriteFile(join(this.folder, WITNESSED), note);
  }

  async keepModel(root: string, artefact: Uint8Array): Promise<string> {
    const path = join('models', `${root}.json`);
    await this.write(path, artefact, true); // one that is cut short would never be fetched again
    return join(this.folder, path);
  }

  async hasModel(root: string): Promise<boolean> {
    return (await this.models()).includes(join(this.folder, 'models', `${root}.json`));
  }

  async models(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'models'));
    return names.filter((name) => name.endsWith('.json')).map((name) => join(this.folder, 'models', name));
  }

  async writeStatus(status: Omit<AgentStatus, 'pid'>): Promise<void> {
    // other processes read it: a new file, never one that is half written over
    await this.write('state/status.json', JSON.stringify({ pid: process.pid, ...status }));
  }

  async status(): Promise<AgentStatus | undefined> {
    const path = join(this.folder, 'state/status.json');
    const bytes = await readIfThere(path);
    return bytes === undefined ? undefined : (parseJson(bytes, path) as AgentStatus);
  }

  private async readMessage(path: string): Promise<BankMessage | undefined> {
    const bytes = await readIfThere(join(this.folder, path));
    return bytes === undefined
      ? undefined
      : (parseMessage(JSON.parse(new TextDecoder().decode(bytes))) as BankMessage);
  }

  private async write(path: string, content: string | Uint8Array, flush = false): Promise<void> {
    await replaceFile(join(this.folder, path), content, { flush, now: flush });
  }
}

/** @throws FederationError STORAGE naming the file */
function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FederationError('STORAGE', `${path} is damaged; restore it from a backup`, { cause });
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
