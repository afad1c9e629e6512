/** Processes under test. Each is ended with the test file that started it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeLater } from './opened.ts';

export interface ChildOptions {
  /** Added to our own; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** No file that it writes may become larger: for a disk that is full. */
  readonly fileBytesMax?: number;
}

const READY_WITHIN_MS = 60_000;

export class Child {
  stdout = '';
  stderr = '';
  readonly process: ChildProcess;
  /** Exit code, or the name of the signal that ended it. */
  readonly exit: Promise<number | string>;
  private readonly listeners = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    // POSIX counts the limit in blocks of 512 bytes
    const limit = `ulimit -f ${Math.ceil((options.fileBytesMax ?? 0) / 512)}; exec "$@"`;
    const line =
      options.fileBytesMax === undefined ? [command, ...args] : ['sh', '-c', limit, 'sh', command, ...args];
    this.process = spawn(line[0]!, line.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      cwd: options.cwd,
    });
    this.process.stdout!.on('data', (text: Buffer) => this.take('stdout', text));
    this.process.stderr!.on('data', (text: Buffer) => this.take('stderr', text));
    this.process.stdin!.on('error', () => {}); // it may be gone before its input ends
    this.exit = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      // "close" comes after "exit" and after the last output
      this.process.once('close', (code, signal) => {
        resolve(code ?? signal!);
        for (const listener of this.listeners) listener();
      });
    });
    closeLater(() => this.kill());
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** The first match in what it has written to standard output or error, as soon as there is one. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        clearTimeout(impatience);
        this.listeners.delete(look);
        settle();
      };
      const look = (): void => {
        const found = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (found !== null) done(() => resolve(found));
        else if (!this.running) done(() => reject(new Error(`it ended without ${pattern}:\n${this.output}`)));
      };
      const impatience = setTimeout(
        () => done(() => reject(new Error(`it did not say ${pattern}:\n${this.output}`))),
        READY_WITHIN_MS,
      );
      this.listeners.add(look);
      look();
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    if (this.running) this.process.kill(signal);
    return this.exit;
  }

  private take(stream: 'stdout' | 'stderr', text: Buffer): void {
    this[stream] += text.toString();
    for (const listener of this.listeners) listener();
  }
}
