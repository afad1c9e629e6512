/**
 * Takes masks out of a sum in worker threads, each on a range of its words. Threads are started when they are
 * first needed and kept; small sums are done at once.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RingWords } from '#shared/ring/encode.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

export interface MaskJob {
  readonly id: number;
  readonly words: RingWords;
  readonly masks: readonly Mask[];
  readonly fromWord: number;
}
export interface MaskReply {
  readonly id: number;
  readonly words: RingWords;
}

/** Below so many bytes of key stream (a few ms) a thread is not worth the hand-over. */
const WORTH_A_THREAD_BYTES = 8_388_608;
const THREADS_MAX = 4;
/** Key streams start at multiples of 16 bytes. */
const ALIGN_WORDS = 4;

export class MaskThreads {
  private readonly workers: Worker[] = [];
  private readonly waiting = new Map<number, { take(words: RingWords): void; fail(error: Error): void }>();
  private lastId = 0;

  /** Applies the masks to `words`, in place. */
  async apply(words: RingWords, masks: readonly Mask[]): Promise<void> {
    if (words.byteLength * masks.length < WORTH_A_THREAD_BYTES) {
      applyMasks(words, masks);
      return;
    }
    const workers = this.start();
    const share = Math.ceil(words.length / workers.length / ALIGN_WORDS) * ALIGN_WORDS;
    await Promise.all(
      workers.map(async (worker, i) => {
        const from = i * share;
        const range = words.slice(from, Math.min(words.length, from + share));
        if (range.length === 0) return;
        const done = await this.ask(worker, range, masks, from);
        bytesOf(words).set(bytesOf(done), from * words.BYTES_PER_ELEMENT);
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.splice(0).map((worker) => worker.terminate()));
  }

  private ask(
    worker: Worker,
    words: RingWords,
    masks: readonly Mask[],
    fromWord: number,
  ): Promise<RingWords> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.waiting.set(id, { take: resolve, fail: reject });
      worker.postMessage({ id, words, masks, fromWord } satisfies MaskJob, [words.buffer as ArrayBuffer]);
    });
  }

  private start(): readonly Worker[] {
    while (this.workers.length < Math.min(THREADS_MAX, availableParallelism())) {
      const worker = startThread();
      worker.unref();
      worker.on('message', ({ id, words }: MaskReply) => {
        this.waiting.get(id)?.take(words);
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

/** As for the training thread: the build has a file of its own, tests run the source through tsx. */
function startThread(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./mask-thread.js', import.meta.url));
  const source = new URL('./mask-thread.ts', import.meta.url).href;
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(bootstrap, { eval: true });
}
