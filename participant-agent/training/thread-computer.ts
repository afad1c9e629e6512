/** A `RunComputer` in a worker thread of its own: training never delays a heartbeat or a signature. */
import { Worker } from 'node:worker_threads';
import type { FinishedPosition, LoadedRows, RunComputer } from '#participant-agent/training/run-computer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

type Method = 'load' | 'begin' | 'next' | 'answer' | 'describe-engine';
export interface ThreadRequest {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}
export type ThreadReply =
  | { readonly id: number; readonly progress: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  progress?: ((fraction: number) => void) | undefined;
}

/**
 * The build has a file of its own for the thread. From source (tests) tsx must be registered inside the
 * thread, because Node 20 does not pass loaders on to it.
 */
function startThread(dataFile: string): Worker {
  const workerData = { dataFile };
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./compute-thread.js', import.meta.url), { workerData });
  }
  const source = new URL('./compute-thread.ts', import.meta.url).href;
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(bootstrap, { eval: true, workerData });
}

export class ThreadComputer implements RunComputer {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private ended: Error | undefined;

  constructor(dataFile: string) {
    this.worker = startThread(dataFile);
    this.worker.on('message', (reply: ThreadReply) => this.settle(reply));
    this.worker.on('error', (error) => this.end(error));
    this.worker.on('exit', () => this.end(new FederationError('STOPPED', 'the training thread has ended')));
  }

  load(contract: DataContract): Promise<LoadedRows> {
    return this.call('load', [contract]) as Promise<LoadedRows>;
  }

  begin(plan: Plan, participants: number): Promise<FinishedPosition> {
    return this.call('begin', [plan, participants]) as Promise<FinishedPosition>;
  }

  next(sum: Uint8Array<ArrayBuffer>, banks: number, sumRoot: string): Promise<FinishedPosition> {
    return this.call('next', [sum, banks, sumRoot], [sum.buffer]) as Promise<FinishedPosition>;
  }

  answer(
    roundingSeed: string,
    masks: readonly Mask[],
    progress: (fraction: number) => void,
  ): Promise<{ body: Uint8Array; root: string }> {
    return this.call('answer', [roundingSeed, masks], [], progress) as Promise<{
      body: Uint8Array;
      root: string;
    }>;
  }

  /** Loads the training engine and says which it is. */
  describeEngine(): Promise<string> {
    return this.call('describe-engine', []) as Promise<string>;
  }

  async dispose(): Promise<void> {
    await this.worker.terminate();
  }

  private call(
    method: Method,
    args: readonly unknown[],
    transfer: ArrayBuffer[] = [],
    progress?: (fraction: number) => void,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) {
        reject(this.ended);
        return;
      }
      const id = ++this.lastId;
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, method, args } satisfies ThreadRequest, transfer);
    });
  }

  private settle(reply: ThreadReply): void {
    const waiting = this.waiting.get(reply.id);
    if (waiting === undefined) return;
    if ('progress' in reply) {
      waiting.progress?.(reply.progress);
      return;
    }
    this.waiting.delete(reply.id);
    if ('error' in reply) waiting.reject(new FederationError(reply.error.code, reply.error.message));
    else waiting.resolve(reply.result);
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const waiting of this.waiting.values()) waiting.reject(this.ended);
    this.waiting.clear();
  }
}
