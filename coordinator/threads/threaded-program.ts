/** A `RunProgram` in a worker thread of its own: the connections of the banks never wait for a step. */
import type { Worker } from 'node:worker_threads';
import type { RunProgram } from '#coordinator/rounds/run-program.ts';
import { startThread } from '#coordinator/threads/start-thread.ts';
import type { FinishedModel, QuestionOutline } from '#models/run-machine.ts';
import type { Metrics } from '#models/program.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import type { RingWords } from '#shared/ring/encode.ts';

export type ProgramRequest =
  | {
      readonly method: 'begin';
      readonly plan: Plan;
      readonly contract: DataContract;
      readonly participants: number;
    }
  | { readonly method: 'read'; readonly words: RingWords; readonly banks: number }
  | { readonly method: 'advance' };

/** Where the program stands after a request; `root` is that of the sum it has read. */
export interface ProgramPosition {
  readonly asked: QuestionOutline | undefined;
  readonly metrics: Metrics;
  readonly finished: FinishedModel | undefined;
  readonly root?: string;
}
export type ProgramReply =
  | { readonly position: ProgramPosition }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

interface Waiting {
  take(position: ProgramPosition): void;
  fail(error: Error): void;
}

export class ThreadedProgram implements RunProgram {
  private readonly worker: Worker;
  private position: ProgramPosition = { asked: undefined, metrics: {}, finished: undefined };
  /** A run asks one thing after the other. */
  private waiting: Waiting | undefined;
  private ended: Error | undefined;

  private constructor() {
    this.worker = startThread('program-thread', import.meta.url);
    this.worker.on('message', (reply: ProgramReply) => {
      const { waiting } = this;
      this.waiting = undefined;
      if ('position' in reply) waiting?.take(reply.position);
      else waiting?.fail(new FederationError(reply.error.code, reply.error.message));
    });
    this.worker.on('error', (error) => this.end(error));
    this.worker.on('exit', () =>
      this.end(new FederationError('INTERNAL', 'the thread of the program has ended')),
    );
  }

  /** @throws FederationError PLAN | OVERFLOW */
  static async start(plan: Plan, contract: DataContract, participants: number): Promise<ThreadedProgram> {
    const program = new ThreadedProgram();
    try {
      program.position = await program.ask({ method: 'begin', plan, contract, participants });
      return program;
    } catch (error) {
      await program.close();
      throw error;
    }
  }

  get asked(): QuestionOutline | undefined {
    return this.position.asked;
  }

  get metrics(): Metrics {
    return this.position.metrics;
  }

  get finished(): FinishedModel | undefined {
    return this.position.finished;
  }

  /** Words in shared memory are read where they are, others are copied. */
  async read(words: RingWords, banks: number): Promise<string> {
    const { root } = await this.ask({ method: 'read', words, banks });
    return root!;
  }

  async advance(): Promise<void> {
    this.position = await this.ask({ method: 'advance' });
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private ask(request: ProgramRequest): Promise<ProgramPosition> {
    return new Promise((take, fail) => {
      if (this.ended !== undefined) {
        fail(this.ended);
        return;
      }
      this.waiting = { take, fail };
      this.worker.postMessage(request, []); // shared memory is not transferred
    });
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.waiting?.fail(this.ended);
    this.waiting = undefined;
  }
}
