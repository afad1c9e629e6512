/**
 * Takes masks out of a sum in worker threads, each on a range of its words. Threads are started when they are
 * first needed and kept; small sums are done at once.
 */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { startThread } from '#coordinator/threads/start-thread.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

export interface MaskJob {
  readonly id: number;
  /** In shared memory, with `masks` applied to them from word `fromWord` of the whole vector on. */
  readonly words: RingWords;
  readonly masks: readonly Mask[];
  readonly fromWord: number;
}
export interface MaskReply {
  readonly id: number;
}

/** Below so many bytes of key stream (a few ms) a thread is not worth the hand-over. */
const WORTH_A_THREAD_BYTES = 8_388_608;
const THREADS_MAX = 4;
/** Key streams start at multiples of 16 bytes. */
const ALIGN_WORDS = 4;

export class MaskThreads {
  private readonly workers: Worker[] = [];
  private readonly waiting = new Map<number, { done(): void; fail(error: Error): void }>();
  private lastId = 0;

  /** Applies the masks to `words`, in place. @param words in shared memory */
  async apply(words: RingWords, masks: readonly Mask[]): Promise<void> {
    if (words.byteLength * masks.length < WORTH_A_THREAD_BYTES) {
      applyMasks(words, masks);
      return;
    }
    if (!(words.buffer instanceof SharedArrayBuffer)) throw new TypeError('expected words in shared memory');
    const workers = this.start();
    const share = Math.ceil(words.length / workers.length / ALIGN_WORDS) * ALIGN_WORDS;
    await Promise.all(
      workers.map(async (worker, i) => {
        const range = words.subarray(i * share, (i + 1) * share);
        if (range.length > 0) await this.ask(worker, range, masks, i * share);
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.splice(0).map((worker) => worker.terminate()));
  }

  private ask(worker: Worker, words: RingWords, masks: readonly Mask[], fromWord: number): Promise<void> {
    return new Promise((done, fail) => {
      const id = ++this.lastId;
      this.waiting.set(id, { done, fail });
      worker.postMessage({ id, words, masks, fromWord } satisfies MaskJob, []);
    });
  }

  private start(): readonly Worker[] {
    while (this.workers.length < Math.min(THREADS_MAX, availableParallelism())) {
      const worker = startThread('mask-thread', import.meta.url);
      worker.on('message', ({ id }: MaskReply) => {
        this.waiting.get(id)?.done();
        this.waiting.delete(id);
      });
      worker.on('error', (error) => {
        for (const { fail } of this.waiting.values()) fail(error);
        this.waiting.clear();
        this.workers.splice(this.workers.indexOf(worker), 1);
      });
      this.workers.push(worker);
    }
    return this.workers;
  }
}
