/**
 * What strangers cost those who have work to do: a run of three banks, and `/healthz`, undisturbed and under a thousand
 * failing authentications a second from one address and 500 silent sockets from another, in turns.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RunView } from '#coordinator/http/run-view.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { planFor } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import type { DataContract } from '#shared/contract/contract.ts';

export interface Turn {
  readonly runSeconds: number;
  /** Of `/healthz`, asked every 20 ms during the run. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

export interface StrangersCost {
  readonly calm: readonly Turn[];
  readonly attacked: readonly Turn[];
  /** Median over median. */
  readonly ratio: number;
  readonly attemptsPerSecond: number;
}

const TURNS = 3;
const HEALTH_MS = 20;
const BANKS = ['bank-a', 'bank-b', 'bank-c'];
const contract: DataContract = {
  v: 1,
  name: 'bench',
  target: { column: 'bad', bad: '1', good: '0' },
  features: [{ name: 'x', type: 'number', min: 0, max: 1000, scale: 'linear', missing: 'refused' }],
};

export async function benchStrangers(): Promise<StrangersCost> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-bench-'));
  const consortium = new LocalConsortium(folder);
  try {
    await consortium.startCoordinator('bench');
    for (const id of BANKS) {
      const dataFile = join(folder, `${id}.csv`);
      const rows = Array.from({ length: 600 }, (_, i) => `${(i * 37) % 997},${i % 4 === 0 ? 1 : 0}`);
      await writeFile(dataFile, `x,bad\n${rows.join('\n')}\n`);
      await consortium.join({ id, dataFile }, BANKS.length);
    }
    await turn(consortium, 'warm-up');
    const [calm, attacked, rates]: [Turn[], Turn[], number[]] = [[], [], []];
    for (let i = 0; i < TURNS; i++) {
      calm.push(await turn(consortium, `calm-${i}`));
      const load = await Load.start(consortium);
      attacked.push(await turn(consortium, `attacked-${i}`));
      rates.push(await load.stop());
    }
    return {
      ...{ calm, attacked },
      ratio: median(attacked.map((t) => t.runSeconds)) / median(calm.map((t) => t.runSeconds)),
      attemptsPerSecond: median(rates),
    };
  } finally {
    await consortium.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function turn({ client }: LocalConsortium, seed: string): Promise<Turn> {
  const settings = { trees: 30, depth: 3 };
  const planned = planFor({
    name: seed,
    model: 'gbdt',
    participants: BANKS,
    minimum: 3,
    seed,
    aggregation: 'masked',
  });
  const plan = { ...planned, program: { name: 'gbdt', settings } };
  const over = new AbortController();
  const health = latencies(client.url, over.signal);
  const begun = performance.now();
  const { run } = await client.post<RunView>('/v1/runs', { contract, plan });
  await watchRun(client, run, { quiet: true });
  const runSeconds = (performance.now() - begun) / 1000;
  over.abort();
  const times = (await health).sort((a, b) => a - b);
  const at = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))]!;
  return { runSeconds, p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
}

async function latencies(url: string, signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  while (!signal.aborted) {
    const begun = performance.now();
    await (await fetch(new URL('/healthz', url))).text();
    times.push(performance.now() - begun);
    await sleep(HEALTH_MS);
  }
  return times;
}

/** The process of `stranger-load.ts`. */
class Load {
  private readonly begun = performance.now();
  private readonly child;
  private readonly lines;

  private constructor({ client, charter }: LocalConsortium) {
    const program = fileURLToPath(new URL('./stranger-load.js', import.meta.url));
    this.child = spawn(process.execPath, [program, client.url, charter], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.lines = createInterface({ input: this.child.stdout });
  }

  static async start(consortium: LocalConsortium): Promise<Load> {
    const load = new Load(consortium);
    await sleep(2000); // its lines are open, and its address has failed as often as it may
    return load;
  }

  /** @returns attempts a second that it made */
  async stop(): Promise<number> {
    const said = once(this.lines, 'line') as Promise<[string]>;
    this.child.stdin.write('?\n');
    const { attempts } = JSON.parse((await said)[0]) as { attempts: number };
    const seconds = (performance.now() - this.begun) / 1000;
    const gone = once(this.child, 'exit');
    this.child.stdin.end();
    await gone;
    return attempts / seconds;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
