/** The thread's side of `MaskThreads`. */
import { parentPort } from 'node:worker_threads';
import { giveWay } from '#coordinator/threads/give-way.ts';
import type { MaskJob, MaskReply } from '#coordinator/threads/mask-threads.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';

giveWay();
const port = parentPort!;
port.on('message', ({ id, words, masks, fromWord }: MaskJob) => {
  applyMasks(words, masks, fromWord);
  port.postMessage({ id } satisfies MaskReply);
});
