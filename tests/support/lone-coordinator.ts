/** A coordinator in a process of its own, as an operator starts it, for tests in which it may die. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import type { Child } from './child-process.ts';
import { startCommand } from './command-line.ts';
import { MovableClock } from './movable-clock.ts';
import type { CoordinatorUnderTest } from './test-bank.ts';
import { freshStorage, type DatabaseKind, type TestStorage } from './test-coordinator.ts';

export interface LoneOptions {
  /** No file that it writes may become larger. */
  readonly fileBytesMax?: number;
}

export class LoneCoordinator implements CoordinatorUnderTest {
  readonly clock = new MovableClock();
  readonly storage: TestStorage;
  url = '';
  charter = '';
  private operatorToken = '';
  private child: Child | undefined;
  private port = 0;

  private constructor(storage: TestStorage) {
    this.storage = storage;
  }

  static async start(database: DatabaseKind, options: LoneOptions = {}): Promise<LoneCoordinator> {
    const lone = new LoneCoordinator(await freshStorage(database));
    await lone.start(options);
    return lone;
  }

  get operator(): OperatorClient {
    return new OperatorClient(this.url, this.operatorToken);
  }

  get process(): Child {
    return this.child!;
  }

  /** At the same port as before, if it has run before. */
  async start({ fileBytesMax }: LoneOptions = {}): Promise<void> {
    const { dataDir, databaseUrl } = this.storage;
    const args = ['coordinator', 'start', '--data', dataDir, '--port', String(this.port)];
    this.child = startCommand([...args, '--log-level', 'error', '--json'], {
      env: { DATABASE_URL: databaseUrl },
      ...(fileBytesMax === undefined ? {} : { fileBytesMax }),
    });
    const [line] = await this.child.until(/^\{"ready":true.*\}$/m);
    ({ url: this.url, charter: this.charter } = JSON.parse(line) as { url: string; charter: string });
    this.port = Number(new URL(this.url).port);
    this.operatorToken = (await readFile(join(dataDir, 'operator.token'), 'utf8')).trim();
  }

  /** Asks it to end. @returns its exit code */
  stop(): Promise<number | string> {
    return this.process.kill('SIGTERM');
  }

  /** kill -9: it has no say. */
  async kill(): Promise<void> {
    await this.process.kill();
  }
}
