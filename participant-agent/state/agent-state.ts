/**
 * What the agent must remember, as files in its folder:
 *
 *   state/outbox/<ctx>          the root and the bytes of the vector for a round, if it took long to make
 *   state/decisions/<run>.json  what a person decided, for the agent to sign
 *   state/egress.jsonl          every message and body that left the bank: see egress-log.ts
 *   state/peers.json            the first identity key seen of each other bank
 *   state/promises, state/sessions   what it has signed, and its secrets: see promise-file.ts and key-vault.ts
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
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import type { Decision } from '#shared/participant/effects.ts';
import { key32 } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { sentence } from '#shared/protocol/foreign-text.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const WITNESSED = 'state/witness.note';
const FLUSHED = 'state/witness.flushed.note';

const decision = z.strictObject({ decision: z.enum(['granted', 'refused']), reason: sentence });
const ROOT_BYTES = 32;

export interface ConnectionState {
  readonly connected: boolean;
  /** When it was connected, or was not any more. */
  readonly since: string;
  /** What keeps it from being connected, as far as it is known. */
  readonly reason?: string;
}

export interface AgentStatus extends ConnectionState {
  /** The process that wrote it; killed, it leaves what it wrote last. */
  readonly pid: number;
  readonly runs: readonly {
    run: string;
    name: string;
    phase: string;
    detail: string;
    /** Root of the model it has made. */
    model?: string;
  }[];
}

export class AgentState implements WitnessStore {
  readonly folder: string;
  /** Rounds whose vectors are on disk. */
  private readonly kept: Set<string>;
  private hasFlushedNote = false;
  private readonly egressLog: EgressLog;
  private readonly peers: Map<string, string>;
  private readonly changedPeers = new Map<string, string[]>();

  private constructor(folder: string, peers: Map<string, string>, kept: Set<string>) {
    this.folder = folder;
    this.egressLog = new EgressLog(folder);
    this.peers = peers;
    this.kept = kept;
  }

  static async open(folder: string): Promise<AgentState> {
    for (const sub of ['state/outbox', 'state/decisions', 'models']) {
      await mkdir(join(folder, sub), { recursive: true });
    }
    const peers = await readIfThere(join(folder, 'state/peers.json'));
    const known =
      peers === undefined
        ? {}
        : z.record(z.string(), key32).parse(parseJson(peers, join(folder, 'state/peers.json')));
    const kept = await readdir(join(folder, 'state/outbox'));
    return new AgentState(folder, new Map(Object.entries(known)), new Set(kept));
  }

  /** The vector that was kept for a round. */
  async answerFor(ctx: string): Promise<{ root: string; bytes: Uint8Array } | undefined> {
    if (!this.kept.has(ctx)) return undefined;
    // what a power loss has cut short is made again; the same rows and seeds give the same bytes
    const bytes = await readIfThere(this.answerPath(ctx));
    const root = bytes?.subarray(0, ROOT_BYTES);
    const body = bytes?.slice(ROOT_BYTES);
    if (root === undefined || body === undefined || vectorRoot(body) !== toHex(root)) return undefined;
    return { root: toHex(root), bytes: body };
  }

  async keepAnswer(ctx: string, root: string, body: Uint8Array): Promise<void> {
    this.kept.add(ctx);
    await replaceFile(this.answerPath(ctx), Buffer.concat([fromHex(root), body]), {
      flush: false,
      now: false,
    });
  }

  /** A closed round's answer is of no more use; its body stays with the coordinator and in the ledger. */
  async forgetAnswer(ctx: string): Promise<void> {
    if (this.kept.delete(ctx)) removeFile(this.answerPath(ctx));
  }

  private answerPath(ctx: string): string {
    return join(this.folder, 'state/outbox', ctx);
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
