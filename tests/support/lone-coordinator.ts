/** A coordinator in a process of its own; see `coordinator-program.ts`. */
import { fileURLToPath } from 'node:url';
import { newToken } from '#coordinator/participants/access.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { Child } from './child-process.ts';
import { MovableClock } from './movable-clock.ts';
import type { CoordinatorUnderTest } from './test-bank.ts';
import { freshStorage, type DatabaseKind, type TestStorage } from './test-coordinator.ts';

const PROGRAM = fileURLToPath(new URL('./coordinator-program.ts', import.meta.url));

export interface LoneOptions {
  /** No file that it writes may become larger. */
  readonly fileBytesMax?: number;
}

export class LoneCoordinator implements CoordinatorUnderTest {
  readonly clock = new MovableClock();
  readonly storage: TestStorage;
  readonly operatorToken = newToken('operator');
  url = '';
  charter = '';
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

  async start({ fileBytesMax }: LoneOptions = {}): Promise<void> {
    const { dataDir, databaseUrl } = this.storage;
    const config = {
      ...{ dataDir, port: this.port, consortium: 'Test consortium', requestsPerMinute: 1_000_000 },
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
    };
    const settings = JSON.stringify({ config, operatorToken: this.operatorToken, logLevel: 'error' });
    const command = [process.execPath, '--import', 'tsx', PROGRAM, settings];
    // POSIX counts in blocks of 512 bytes
    const limited = ['-c', `ulimit -f ${Math.ceil((fileBytesMax ?? 0) / 512)}; exec "$@"`, 'sh', ...command];
    this.child =
      fileBytesMax === undefined ? new Child(command[0]!, command.slice(1)) : new Child('sh', limited);
    const [line] = await this.child.until(/^\{"ready":true.*\}$/m);
    ({ url: this.url, charter: this.charter } = JSON.parse(line) as { url: string; charter: string });
    this.port = Number(new URL(this.url).port);
  }

  /** Asks it to end. @returns its exit code */
  async stop(): Promise<number | string> {
    this.process.process.stdin!.end();
    return this.process.exit;
  }

  /** kill -9: it has no say. */
  async kill(): Promise<void> {
    await this.process.kill();
  }
}
