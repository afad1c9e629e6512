/** The thread's side of `ThreadComputer`: one request after the other, in order. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadTensorFlow } from '#models/fedavg/tensorflow-engine.ts';
import { LocalComputer } from '#participant-agent/training/run-computer.ts';
import type { ThreadReply, ThreadRequest } from '#participant-agent/training/thread-computer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

const port = parentPort!;
const { dataFile } = workerData as { dataFile: string };
const computer = new LocalComputer(dataFile);
const PROGRESS_EVERY = 0.02;

let turn: Promise<void> = Promise.resolve();
port.on('message', (request: ThreadRequest) => {
  turn = turn.then(() => serve(request));
});

async function serve({ id, method, args }: ThreadRequest): Promise<void> {
  const reply = (message: ThreadReply, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  try {
    switch (method) {
      case 'load':
        return reply({ id, result: await computer.load(args[0] as DataContract) });
      case 'begin':
        return reply({ id, result: await computer.begin(args[0] as Plan, args[1] as number) });
      case 'next': {
        const sum = args[0] as Uint8Array<ArrayBuffer>;
        return reply({ id, result: await computer.next(sum, args[1] as number, args[2] as string) });
      }
      case 'answer': {
        let reported = -1;
        const answer = await computer.answer(args[0] as string, args[1] as Mask[], (fraction) => {
          if (fraction - reported < PROGRESS_EVERY) return;
          reported = fraction;
          reply({ id, progress: fraction });
        });
        return reply({ id, result: answer }, [answer.body.buffer as ArrayBuffer]);
      }
      case 'describe-engine':
        return reply({ id, result: (await loadTensorFlow()).description });
    }
  } catch (error) {
    const code = error instanceof FederationError ? error.code : 'INTERNAL';
    return reply({ id, error: { code, message: describeError(error) } });
  }
}
