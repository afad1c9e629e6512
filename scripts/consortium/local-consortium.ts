/**
 * A whole consortium on this machine, of real processes: a coordinator on an embedded database and one agent
 * for each bank, talking over loopback. Everything lives in one folder; nothing outlives `stop`, nor us: each
 * child ends when its standard input does.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface LocalBank {
  readonly id: string;
  readonly dataFile: string;
}

const STOP_WITHIN_MS = 10_000;
const START_WITHIN_MS = 60_000;
/** The built command line; this file runs from dist/ beside it, or from source in tests. */
const PROGRAM = fileURLToPath(
  import.meta.url.endsWith('.ts')
    ? new URL('../../dist/tallystick.js', import.meta.url)
    : new URL('./tallystick.js', import.meta.url),
);

export class LocalConsortium {
  readonly folder: string;
  private readonly startWithinMs: number;
  private readonly children = new Map<string, ChildProcess>();
  private operator: OperatorClient | undefined;
  private charterHash = '';
  private port = 0;
  private readonly ending = new AbortController();

  /** @param startWithinMs how long a process may take to be ready; an agent waits for its coordinator */
  constructor(folder: string, startWithinMs = START_WITHIN_MS) {
    this.folder = folder;
    this.startWithinMs = startWithinMs;
  }

  /** Aborts when the consortium is stopped, or one of its processes ends by itself. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  get client(): OperatorClient {
    if (this.operator === undefined)
      throw new FederationError('STATE', 'the coordinator has not been started');
    return this.operator;
  }

  get charter(): string {
    return this.charterHash;
  }

  /** Where a bank's agent keeps its files. */
  bankFolder(id: string): string {
    return join(this.folder, 'banks', id);
  }

  /** What a bank has sent since it was enrolled, by its own list. */
  async bytesSent(id: string): Promise<number> {
    const records = await (await AgentState.open(this.bankFolder(id))).egress();
    return records.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get coordinatorFolder(): string {
    return join(this.folder, 'coordinator');
  }

  /** Starts the coordinator, or starts it again after `kill`. */
  async startCoordinator(consortium: string): Promise<void> {
    const ready = await this.start(
      'coordinator',
      [
        'coordinator',
        'start',
        '--data',
        this.coordinatorFolder,
        '--port',
        String(this.port),
        '--consortium',
        consortium,
        '--log-level',
        'info',
        '--json',
      ],
      (line) =>
        line.includes('"ready":true') ? (JSON.parse(line) as { url: string; charter: string }) : undefined,
    );
    this.port = Number(new URL(ready.url).port);
    this.charterHash = ready.charter;
    this.operator = await OperatorClient.ofFolder(this.coordinatorFolder);
  }

  /** Invites, enrols and admits a bank, with a policy that consents by itself, and starts its agent. */
  async join(bank: LocalBank, minimumCohort: number): Promise<void> {
    const folder = this.bankFolder(bank.id);
    await mkdir(folder, { recursive: true });
    const { code } = await this.client.post<{ code: string }>('/v1/invitations', {
      participant: bank.id,
      url: this.client.url,
    });
    const { fingerprint } = await enrolAgent(folder, code, bank.dataFile, undefined);
    await this.client.post(`/v1/participants/${bank.id}/admission`, { fingerprint });
    const policy = policyYaml({
      consent: 'automatic',
      aggregation: ['masked', 'plain'],
      minimumCohort,
      ...{ explains: true, fewestNewRows: 0 }, // all rows are this machine's
    });
    await writeFile(join(folder, 'policy.yaml'), policy);
    await this.startAgent(bank.id);
  }

  async startAgent(id: string): Promise<void> {
    await this.start(
      id,
      ['agent', 'start', '--folder', this.bankFolder(id), '--log-level', 'info'],
      (line) => (line.includes('connected to the coordinator') ? true : undefined),
    );
  }

  pid(name: string): number | undefined {
    return this.children.get(name)?.pid;
  }

  /** kill -9: the process has no say. */
  async kill(name: string): Promise<void> {
    const child = this.children.get(name);
    if (child === undefined) return;
    this.children.delete(name);
    const gone = exitOf(child);
    child.kill('SIGKILL');
    await gone;
  }

  /** Asks every process to stop, and makes sure of it. */
  async stop(): Promise<void> {
    this.ending.abort(new FederationError('STOPPED', 'stopped'));
    const children = [...this.children.values()];
    this.children.clear();
    await Promise.all(
      children.map(async (child) => {
        const gone = exitOf(child);
        child.stdin?.end();
        child.kill('SIGTERM');
        const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
        await gone;
        clearTimeout(impatience);
      }),
    );
  }

  /**
   * Starts one of our own commands. Its output goes to `logs/<name>.log`.
   * @param readyWhen called with each line the command writes, until it gives a value
   * @throws FederationError INTERNAL with the last lines of the log when it ends before it is ready
   */
  private async start<T>(
    name: string,
    args: string[],
    readyWhen: (line: string) => T | undefined,
  ): Promise<T> {
    this.ended.throwIfAborted(); // whoever stops us may do so before anything was started
    const logs = join(this.folder, 'logs');
    mkdirSync(logs, { recursive: true }); // at once: whoever kills it next must find it
    const log = createWriteStream(join(logs, `${name}.log`), { flags: 'a' });
    const child = spawn(process.execPath, [PROGRAM, ...args, '--stop-with-parent'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: ownEnvironment(),
    });
    this.children.set(name, child);
    let tail = '';
    return new Promise<T>((resolve, reject) => {
      const impatience = setTimeout(() => fail('was not ready in time'), this.startWithinMs);
      const fail = (what: string): void => {
        clearTimeout(impatience);
        const error = new FederationError(
          'INTERNAL',
          `${name} ${what}; its log ends with:\n${tail.slice(-1500)}`,
        );
        reject(this.ending.signal.aborted ? (this.ending.signal.reason as Error) : error);
        // a process that we have not killed ourselves must not end: nobody should wait for it
        if (this.children.get(name) === child) this.ending.abort(error);
      };
      const take = (chunk: Buffer): void => {
        log.write(chunk);
        tail = `${tail}${chunk.toString()}`.slice(-8000);
        for (const line of tail.split('\n')) {
          const value = readyWhen(line);
          if (value === undefined) continue;
          clearTimeout(impatience);
          resolve(value);
          return;
        }
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.stdin.on('error', () => {}); // it may be gone before we close its input
      child.on('error', (error) => fail(error.message));
      child.on('exit', (code, signal) => {
        log.end();
        fail(`ended with ${signal ?? `exit code ${code}`}`);
      });
    });
  }
}

/**
 * Ours, without what means another consortium: a real one's database would be written to, and a passphrase that
 * opens its keys would seal these.
 */
function ownEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean =>
    name === 'DATABASE_URL' || (name.startsWith('TALLYSTICK_') && name !== 'TALLYSTICK_DEBUG');
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
}

function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}
