/**
 * What the ledger costs: appending with group commit, folding a long history at a start, and verifying a bundle
 * held against merely hashing its bodies. Appends go to the embedded database, and also to the PostgreSQL database
 * that TALLYSTICK_BENCH_DATABASE_URL names, which must be empty and keeps what the bench writes: never the variable
 * of a coordinator.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '#coordinator/journal/journal.ts';
import { restoreLedger } from '#coordinator/journal/restore.ts';
import { EntryStore, type EntryRow } from '#coordinator/store/entry-store.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import { auditBundle, readBundle } from '#scripts/audit/bundle-file.ts';
import { MadeLedger } from '#scripts/bench/made-ledger.ts';
import { say } from '#scripts/commands/output.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { bundleParts } from '#shared/ledger/bundle.ts';
import { noteOf } from '#shared/ledger/checkpoint.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { MessageType } from '#shared/protocol/messages.ts';
import { plan as planSchema, type Plan } from '#shared/protocol/plan.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

export interface LedgerCost {
  readonly appends: readonly { readonly database: string; readonly entriesPerSecond: number }[];
  readonly fold: { readonly entries: number; readonly seconds: number };
  readonly verify: {
    readonly rounds: number;
    readonly megabytes: number;
    readonly seconds: number;
    /** Hashing all bodies of the bundle, and nothing else. */
    readonly hashSeconds: number;
    readonly peakMegabytes: number;
  };
}

const APPENDS = 20_000;

export async function benchLedger(): Promise<LedgerCost> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-bench-'));
  try {
    const { TALLYSTICK_BENCH_DATABASE_URL: postgres } = process.env;
    if (postgres !== undefined) await assertEmpty(folder, postgres);
    say(`appending ${APPENDS} entries …`);
    const appends = [{ database: 'PGlite', entriesPerSecond: await benchAppends(folder, undefined) }];
    if (postgres !== undefined)
      appends.push({ database: 'PostgreSQL', entriesPerSecond: await benchAppends(folder, postgres) });
    say('folding a million entries …');
    const fold = await benchFold(1_000_000);
    say('verifying 100 rounds of 8 banks with 100 000 weights …');
    return { appends, fold, verify: await benchVerify(join(folder, 'ledger.bundle')) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchAppends(folder: string, databaseUrl: string | undefined): Promise<number> {
  const db = await openDatabase(folder, databaseUrl);
  try {
    const keys = { coordinatorSeed: randomBytes(32), logSeed: randomBytes(32) };
    const watch = { onBroken() {}, patienceMs: 0 };
    const journal = await Journal.open(new EntryStore(db), keys, { now: () => Date.now() }, watch);
    await journal.lead();
    const { hash: charter } = await journal.record('charter', {
      ...{ v: 1, consortium: 'bench', origin: 'tallystick/bench' },
      coordinatorKey: toBase64Url(publicKeyOf(keys.coordinatorSeed)),
      logKey: toBase64Url(publicKeyOf(keys.logSeed)),
    });
    const started = performance.now();
    const reasons = Array.from({ length: APPENDS }, (_, i) => `number ${i}`);
    await Promise.all(reasons.map((reason) => journal.record('incident', { charter, reason })));
    return (APPENDS / (performance.now() - started)) * 1000;
  } finally {
    await db.destroy();
  }
}

/** A bench that finds a ledger has been pointed at somebody's database. @throws FederationError USAGE */
async function assertEmpty(folder: string, databaseUrl: string): Promise<void> {
  const db = await openDatabase(folder, databaseUrl);
  try {
    const first = await db.selectFrom('entries').select('seq').limit(1).executeTakeFirst();
    if (first === undefined) return;
  } finally {
    await db.destroy();
  }
  throw new FederationError(
    'USAGE',
    'the database of TALLYSTICK_BENCH_DATABASE_URL holds a ledger: give an empty one, and a new one for each bench',
  );
}

/** The fold without a database: pages come from memory. */
class MemoryStore extends EntryStore {
  readonly rows: EntryRow[] = [];

  override page(from: number, limit: number): Promise<EntryRow[]> {
    return Promise.resolve(this.rows.slice(from, from + limit));
  }

  override last(types: readonly MessageType[]): Promise<EntryRow | undefined> {
    const isOne = ({ text }: EntryRow): boolean => types.some((type) => text.includes(`"type":"${type}"`));
    return Promise.resolve(this.rows.findLast(isOne));
  }
}

/** Plain rounds of a hundred banks. */
async function benchFold(entries: number): Promise<{ entries: number; seconds: number }> {
  const store = new MemoryStore(undefined as never);
  const ledger = new MadeLedger(({ entry, text }) => store.rows.push({ seq: entry.seq, text }), false);
  const banks = ledger.join(Array.from({ length: 100 }, (_, i) => `bank-${i}`));
  const question = {
    kind: 'train',
    hash: toHex(sha256(utf8('question'))),
    ring: 'u32',
    length: 1000,
  } as const;
  while (store.rows.length < entries) {
    const run = ledger.start(planOf(banks, `run ${store.rows.length}`, 9000));
    for (let round = 0; round < 5000 && store.rows.length < entries; round++) {
      const ctx = ledger.open(run, question, {});
      for (const from of banks) {
        const vectorRoot = toHex(sha256(utf8(`${round} ${from}`)));
        ledger.say('plain-input', { ctx, from, ring: 'u32', length: 1000, vectorRoot }, from);
      }
      ledger.close(run, ctx, question.hash);
    }
    ledger.open(run, question, {}); // its head covers all of it
  }
  const started = performance.now();
  const restored = await restoreLedger(store, [toBase64Url(publicKeyOf(ledger.logSeed))]);
  return { entries: restored.tree.size, seconds: (performance.now() - started) / 1000 };
}

const contract = dataContract.parse({
  v: 1,
  name: 'bench',
  target: { column: 'bad', bad: '1' },
  features: [{ name: 'x', type: 'number', min: 0, max: 1 }],
});

function planOf(banks: readonly string[], name: string, rounds: number): Plan {
  return planSchema.parse({
    ...{ v: 1, name, contract: toHex(sha256(utf8('contract'))), seed: 'bench', aggregation: 'plain' },
    program: {
      name: 'fedavg',
      settings: { network: { hidden: [312, 312], dropout: 0 }, stop: { rounds } },
    },
    participants: [...banks].sort((a, b) => (a < b ? -1 : 1)),
    cohort: { minimum: banks.length },
  });
}

async function benchVerify(path: string): Promise<LedgerCost['verify']> {
  const entries: string[] = [];
  const seen = new Set<string>();
  const file = await open(path, 'w');
  const bodies: Uint8Array[] = [];
  const ledger = new MadeLedger(({ text }) => entries.push(text), true);
  const banks = ledger.join(Array.from({ length: 8 }, (_, i) => `bank-${i}`));
  const plan = { ...planOf(banks, 'verify', 98), contract: contractHash(contract) };
  const rounds = ledger.train(plan, contract, (root, bytes) => {
    if (seen.has(root)) return;
    seen.add(root);
    bodies.push(bundleParts.body(root, bytes.length), bytes.slice(), bundleParts.afterBody);
  });
  await file.write(
    bundleParts.head(noteOf('tallystick/bench', ledger.head, toBase64Url(publicKeyOf(ledger.logSeed)))),
  );
  for (const text of entries) await file.write(bundleParts.entry(text));
  let bytes = 0;
  for (const part of bodies) bytes += (await file.write(part)).bytesWritten;
  await file.write(bundleParts.end);
  await file.close();
  bodies.length = 0;
  const hashStarted = performance.now();
  await readBundle(path, async (bundle) => {
    for (const root of bundle.bodies) {
      const hasher = new RootHasher();
      for await (const piece of bundle.body(root)!) hasher.update(piece);
      hasher.root();
    }
  });
  const hashSeconds = (performance.now() - hashStarted) / 1000;
  const started = performance.now();
  let peak = 0;
  const report = await auditBundle(path, ledger.charter, {
    onProgress: () => void (peak = Math.max(peak, process.memoryUsage().arrayBuffers)),
  });
  if (!report.passed) throw new Error(JSON.stringify(report.findings));
  const seconds = (performance.now() - started) / 1000;
  return { rounds, megabytes: bytes / 1e6, seconds, hashSeconds, peakMegabytes: peak / 1e6 };
}
