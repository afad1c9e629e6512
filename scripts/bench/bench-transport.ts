/** What a round cannot take less than: its bytes over bare `node:http`, hashed at both ends, and nothing else. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface TransportCost {
  readonly banks: number;
  readonly bytes: number;
  readonly medianSeconds: number;
  /** Of all processes, for each round. */
  readonly cpuSeconds: number;
}

/** As in `bench-rounds.ts`: banks share two processes. */
const SENDERS = 2;
const ROUNDS = 30;

/** Each bank sends a vector of so many bytes, then each is sent one. */
export async function benchTransport(banks: number, bytes: number): Promise<TransportCost> {
  const server = start('serve', bytes);
  const children = [server];
  try {
    const port = (await said(server)) as number;
    const senders = Array.from({ length: SENDERS }, () => start('send', port, banks / SENDERS, bytes));
    children.push(...senders);
    await Promise.all(senders.map(said));
    const all = async (method: 'PUT' | 'GET'): Promise<number> => {
      const cpu = await Promise.all(senders.map((child) => ask(child, method)));
      return cpu.reduce((a, b) => a + b, 0);
    };
    await all('PUT'); // warm-up
    const before = (await all('GET')) + (await ask(server, 'cpu'));
    const seconds: number[] = [];
    let after = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const started = performance.now();
      await all('PUT');
      after = await all('GET');
      seconds.push((performance.now() - started) / 1000);
    }
    after += await ask(server, 'cpu');
    seconds.sort((a, b) => a - b);
    return {
      banks,
      bytes,
      medianSeconds: seconds[ROUNDS >> 1]!,
      cpuSeconds: (after - before) / ROUNDS,
    };
  } finally {
    for (const child of children) child.disconnect(); // which ends it
  }
}

function start(...args: (string | number)[]): ChildProcess {
  const program = fileURLToPath(new URL('./bare-transport.js', import.meta.url));
  return fork(program, args.map(String));
}

function said(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('a process of the transport bench ended'));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

function ask(child: ChildProcess, what: string): Promise<number> {
  const reply = said(child) as Promise<number>;
  child.send(what);
  return reply;
}
