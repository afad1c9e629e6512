/**
 * A real coordinator inside the test process: own folder, own database, port chosen by the system. It can be
 * stopped and started again on the same data, and its database looked into while it is stopped.
 */
import { randomUUID } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { parseCoordinatorConfig, type CoordinatorConfig } from '#coordinator/config.ts';
import { createCoordinator, type Coordinator } from '#coordinator/coordinator.ts';
import { createLogger, type Logger } from '#coordinator/logger.ts';
import { newToken } from '#coordinator/participants/access.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import type { Database } from '#coordinator/store/schema.ts';
import { exportBundle } from '#scripts/audit/bundle-file.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { closeLater, temporaryFolder } from './opened.ts';
import { MovableClock } from './movable-clock.ts';
import type { CoordinatorUnderTest } from './test-bank.ts';

export const DATABASES = ['pglite', 'postgres'] as const;
export type DatabaseKind = (typeof DATABASES)[number];

const SMALL_COMPANY = { oneColluderIn: 1000, honest: 2, banks: 3 };

export interface TestCoordinatorOptions {
  readonly database: DatabaseKind;
  readonly log?: Logger;
  readonly passphrase?: string;
  readonly requestsPerMinute?: number;
  readonly trustProxy?: number;
  readonly databasePatienceMs?: number;
  /** Days; most tests do not wait for any. */
  readonly leastRetentionDays?: number;
  /** Most tests put banks of several runs into one consortium, and are not about who may collude. */
  readonly company?: CoordinatorConfig['company'];
}

/** Where a coordinator under test keeps its data. */
export interface TestStorage {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
}

/** An empty data folder, with the prepared PGlite in it or a fresh PostgreSQL database beside it. */
export async function freshStorage(database: DatabaseKind): Promise<TestStorage> {
  const dataDir = join(await temporaryFolder('coordinator'), 'data');
  await mkdir(dataDir);
  if (database === 'postgres') return { dataDir, databaseUrl: await freshPostgres() };
  // a thousand small files: twice as fast as asynchronously
  cpSync(inject('pgliteFolder'), join(dataDir, 'database'), { recursive: true });
  return { dataDir, databaseUrl: undefined };
}

export class TestCoordinator implements CoordinatorUnderTest {
  storage: TestStorage;
  readonly clock = new MovableClock();
  /** What it said when it could not go on. */
  readonly broken: FederationError[] = [];
  operatorToken = '';
  auditorToken = '';
  private readonly options: TestCoordinatorOptions;
  private port = 0;
  private instance: Coordinator | undefined;

  private constructor(storage: TestStorage, options: TestCoordinatorOptions) {
    this.storage = storage;
    this.options = options;
  }

  static async start(options: TestCoordinatorOptions): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator(await freshStorage(options.database), options);
    await coordinator.start();
    closeLater(() => coordinator.stop());
    coordinator.operatorToken = await coordinator.makeToken('operator');
    coordinator.auditorToken = await coordinator.makeToken('auditor');
    return coordinator;
  }

  get dataDir(): string {
    return this.storage.dataDir;
  }

  get url(): string {
    return this.coordinator.url;
  }

  get charter(): string {
    return this.coordinator.charter;
  }

  get running(): boolean {
    return this.instance !== undefined;
  }

  get operator(): OperatorClient {
    return new OperatorClient(this.url, this.operatorToken);
  }

  get auditor(): OperatorClient {
    return new OperatorClient(this.url, this.auditorToken);
  }

  /** At the same port as before, if it has run before: agents find it again. */
  async start(): Promise<void> {
    this.instance = await createCoordinator(this.config(), {
      clock: this.clock,
      log: this.options.log ?? createLogger('silent'),
      onBroken: (error) => this.broken.push(error),
    });
    this.port = Number(new URL(this.instance.url).port);
  }

  /** From the next start on the database is reached another way. */
  reach(databaseUrl: string): void {
    this.storage = { ...this.storage, databaseUrl };
  }

  async stop(): Promise<void> {
    const { instance } = this;
    this.instance = undefined;
    await instance?.close();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  config() {
    const { dataDir, databaseUrl } = this.storage;
    const { passphrase, requestsPerMinute = 1_000_000, trustProxy = 0 } = this.options;
    const { databasePatienceMs = 1000, leastRetentionDays = 0 } = this.options;
    const { company = SMALL_COMPANY } = this.options;
    return parseCoordinatorConfig({
      dataDir,
      port: this.port,
      consortium: 'Test consortium',
      requestsPerMinute,
      trustProxy,
      databasePatienceMs,
      leastRetentionDays,
      company,
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  }

  async makeToken(role: 'operator' | 'auditor'): Promise<string> {
    const token = newToken(role);
    const now = this.clock.now();
    const inTenYears = now + 3650 * 86_400_000; // tests move the clock
    await this.coordinator.tokens.add(`${role}-${randomUUID()}`, role, token, now, inTenYears);
    return token;
  }

  /** Every message in the ledger, in order. */
  async ledger(): Promise<Message[]> {
    const messages: Message[] = [];
    for await (const { text } of this.operator.entries()) messages.push(parseEntry(text).entry.message);
    return messages;
  }

  /** The whole ledger with its bodies, as an auditor takes it home. */
  async bundle(): Promise<string> {
    const file = join(await temporaryFolder('bundle'), 'ledger.bundle');
    await exportBundle(this.auditor, file);
    return file;
  }

  /** The database, for somebody who can reach it: only while the coordinator is stopped. */
  async inDatabase<T>(use: (db: Database) => Promise<T>): Promise<T> {
    if (this.instance !== undefined) throw new Error('stop the coordinator before opening its database');
    const db = await openDatabase(this.storage.dataDir, this.storage.databaseUrl);
    try {
      return await use(db);
    } finally {
      await db.destroy();
    }
  }

  private get coordinator(): Coordinator {
    if (this.instance === undefined) throw new Error('the coordinator is stopped');
    return this.instance;
  }
}

export async function freshPostgres(): Promise<string> {
  const url = new URL(inject('postgresUrl'));
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(`create database ${name}`);
  closeLater(() => asAdmin(`drop database ${name} with (force)`));
  url.pathname = `/${name}`;
  return url.href;
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
