/** Whole rounds over loopback: wall time between rounds, CPU of both sides, memory of the coordinator. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, getPriority, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RunView } from '#coordinator/http/run-view.ts';
import type { BenchAgentsInput } from '#scripts/bench/bench-agents.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import type { OperatorClient } from '#scripts/operator/operator-client.ts';
import { planFor } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import type { DataContract } from '#shared/contract/contract.ts';

export interface RoundCost {
  readonly banks: number;
  readonly weights: number;
  readonly masked: boolean;
  readonly medianSeconds: number;
  readonly bestSeconds: number;
  /** Of all processes, for each round. */
  readonly cpuSeconds: number;
  readonly coordinatorCpuSeconds: number;
  readonly agentCpuSeconds: number;
  /** Resident memory of the coordinator with all banks connected, before the run. */
  readonly idleBytes: number;
  readonly peakBytes: number;
  /**
   * Longest time for which the coordinator's event loop was blocked during the run, its model's writing included; read
   * too long by up to 5 ms.
   */
  readonly worstLoopSeconds: number;
  /** What one bank sends in a round, by its own list. */
  readonly sentBytes: number;
}

const contract: DataContract = {
  v: 1,
  name: 'bench',
  target: { column: 'bad', bad: '1', good: '0' },
  features: [{ name: 'x', type: 'number', min: 0, max: 1, scale: 'linear', missing: 'refused' }],
};

/** The agents share this many processes, so that both cores can work for them. */
const AGENT_PROCESSES = 2;
/**
 * Banks have machines of their own: where they compute for long, the coordinator's event loop shall not wait for their
 * processes here. Small messages are dearer that way: they are taken one by one.
 */
const AGENT_NICE = 10;
const LONG_FROM_WEIGHTS = 1e6;

/** Hidden layers that make a network of about so many weights over one input. */
function hiddenFor(weights: number): number[] {
  if (weights <= 1e4) return [Math.round((weights - 1) / 3)];
  const side = Math.round(Math.sqrt(weights)) - 2;
  return [side, side];
}

export async function benchRounds(one: {
  banks: number;
  weights: number;
  rounds: number;
  masked?: boolean;
}): Promise<RoundCost> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-bench-'));
  const consortium = new LocalConsortium(folder);
  const banks = Array.from({ length: one.banks }, (_, i) => `bank-${String(i).padStart(4, '0')}`);
  const agents: BenchAgents[] = [];
  try {
    const dataFile = join(folder, 'rows.csv');
    await writeFile(
      dataFile,
      `x,bad\n${Array.from({ length: 60 }, (_, i) => `${i / 60},${i % 10 === 0 ? 1 : 0}`).join('\n')}\n`,
    );
    await consortium.startCoordinator('bench');
    const { client } = consortium;
    const { coordinatorFolder } = consortium;
    for (let share = 0; share < AGENT_PROCESSES; share++) {
      const part = banks.filter((_bank, i) => i % AGENT_PROCESSES === share);
      const input = { folder, coordinatorFolder, dataFile, banks: part };
      agents.push(await BenchAgents.start(input, one.weights < LONG_FROM_WEIGHTS ? 0 : AGENT_NICE));
    }
    const coordinator = consortium.pid('coordinator')!;
    await sleep(1000);
    const idleBytes = (await memoryOf(coordinator)).resident;
    const planned = planFor({
      name: 'bench',
      model: 'mlp',
      rounds: one.rounds,
      participants: banks,
      minimum: banks.length,
      seed: 'bench',
      aggregation: one.masked === true ? 'masked' : 'plain',
    });
    const settings = {
      network: { hidden: hiddenFor(one.weights), dropout: 0 },
      stop: { rounds: one.rounds },
    };
    const plan = { ...planned, program: { name: 'fedavg', settings } };
    const proposed = await client.post<RunView>('/v1/runs', { contract, plan });
    await worstLoopSeconds(client); // each look starts anew
    const before = { coordinator: await cpuSecondsOf(coordinator), agents: await cpuSecondsOfAll(agents) };
    await watchRun(client, proposed.run, { quiet: true });
    const after = { coordinator: await cpuSecondsOf(coordinator), agents: await cpuSecondsOfAll(agents) };
    const view = await client.run(proposed.run);
    if (view.result?.outcome !== 'completed')
      throw new Error(`bench run ${view.result?.outcome}: ${view.result?.reason}`);
    // from one question to the next: everything a round needs, on both sides; the first is left out as warm-up
    const opened = view.rounds
      .filter((r) => r.kind !== 'means' && r.kind !== 'spreads')
      .map((r) => r.openedAt);
    const lengths = opened
      .slice(2)
      .map((at, i) => (at - opened[i + 1]!) / 1000)
      .sort((a, b) => a - b);
    const perRound = (seconds: number): number => seconds / view.rounds.length;
    const coordinatorCpuSeconds = perRound(after.coordinator - before.coordinator);
    const agentsCpuSeconds = perRound(after.agents - before.agents);
    return {
      banks: one.banks,
      weights: one.weights,
      masked: one.masked === true,
      medianSeconds: lengths[Math.floor(lengths.length / 2)]!,
      bestSeconds: lengths[0]!,
      cpuSeconds: coordinatorCpuSeconds + agentsCpuSeconds,
      coordinatorCpuSeconds,
      agentCpuSeconds: agentsCpuSeconds / one.banks,
      idleBytes,
      peakBytes: (await memoryOf(coordinator)).peak,
      worstLoopSeconds: await worstLoopSeconds(client),
      sentBytes: (await consortium.bytesSent(banks[0]!)) / view.rounds.length,
    };
  } finally {
    await Promise.all(agents.map((process) => process.stop()));
    await consortium.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The process of `bench-agents.ts`. */
class BenchAgents {
  private readonly child: ChildProcess;
  private next: (line: string) => void = () => {};

  private constructor(child: ChildProcess) {
    this.child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.next(line));
  }

  static async start(input: BenchAgentsInput, nice: number): Promise<BenchAgents> {
    const program = fileURLToPath(new URL('./bench-agents.js', import.meta.url));
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (nice > 0) setPriority(child.pid!, Math.min(getPriority() + nice, constants.priority.PRIORITY_LOW));
    const agents = new BenchAgents(child);
    await agents.ask(JSON.stringify(input));
    return agents;
  }

  async cpuSeconds(): Promise<number> {
    return (JSON.parse(await this.ask('cpu')) as { cpuSeconds: number }).cpuSeconds;
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin!.end();
    await gone;
  }

  private ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.next = resolve;
      this.child.once('exit', () => reject(new Error('the agents process ended')));
      this.child.stdin!.write(`${line}\n`);
    });
  }
}

async function cpuSecondsOfAll(agents: readonly BenchAgents[]): Promise<number> {
  const seconds = await Promise.all(agents.map((process) => process.cpuSeconds()));
  return seconds.reduce((a, b) => a + b, 0);
}

/** Since the last look, from the coordinator's own metrics. */
async function worstLoopSeconds(client: OperatorClient): Promise<number> {
  const metrics = await client.text('/metrics');
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(metrics)?.[1]);
}

/** User and system time of a process, from /proc (Linux; clock ticks are 1/100 s). */
async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function memoryOf(pid: number): Promise<{ resident: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  return { resident: kilobytes('VmRSS'), peak: kilobytes('VmHWM') };
}
