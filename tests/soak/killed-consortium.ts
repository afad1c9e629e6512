/**
 * Small runs of a consortium of real processes that are killed (kill -9) at random moments: while they train, deal
 * keys, sum, cosign, and while they are starting again. What is killed when follows from a seed; how far a run is
 * by then depends on the machine.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditBundle, exportBundle } from '#scripts/audit/bundle-file.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import type { RunView } from '#coordinator/http/run-view.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { eventually } from '../support/eventually.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { tinyApplicants, tinyContract, tinyPlan, writeApplicants } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c', 'd'];
const NAME = 'Killed consortium';
/** Between one kill and the next, ms. */
const CALM_MS = [50, 900] as const;
/** How long a process stays dead, ms. */
const DEAD_MS = [0, 500] as const;
/** One kill in so many is the coordinator's. */
const COORDINATOR_EVERY = 3;
const RUN_WITHIN_MS = 300_000;
/** An agent is ready when it is let in, and its coordinator may be killed again and again. */
const START_WITHIN_MS = 180_000;

export interface KilledRun {
  readonly aggregation: 'plain' | 'masked';
  readonly artefact: string | undefined;
  readonly outcome: string;
  /** Who answered each question, and the how-manieth time it was asked. */
  readonly rounds: readonly { attempt: number; outcome: string; answered: readonly string[] }[];
  /** What was killed, with ms since the run was proposed. */
  readonly kills: readonly string[];
}

export class KilledConsortium {
  private readonly consortium: LocalConsortium;
  private readonly generator: SeededGenerator;
  private readonly folder: string;
  /** Processes that are starting; rejects when one is killed meanwhile. */
  private readonly starting = new Map<string, Promise<void>>();
  private runs = 0;

  private constructor(consortium: LocalConsortium, folder: string, seed: string) {
    this.consortium = consortium;
    this.folder = folder;
    this.generator = new SeededGenerator('kills', seed);
  }

  static async start(seed: string): Promise<KilledConsortium> {
    const folder = await temporaryFolder('kills');
    const consortium = new LocalConsortium(folder, START_WITHIN_MS);
    closeLater(() => consortium.stop());
    await consortium.startCoordinator(NAME);
    await Promise.all(
      IDS.map(async (id) => {
        const dataFile = join(folder, `${id}.csv`);
        await writeApplicants(dataFile, tinyApplicants(60, id));
        await consortium.join({ id, dataFile }, 3);
      }),
    );
    return new KilledConsortium(consortium, folder, seed);
  }

  /** One run during which so many processes are killed, or fewer if it is over before. */
  async run(aggregation: KilledRun['aggregation'], kills: number): Promise<KilledRun> {
    const { client } = this.consortium;
    const deadlines = { roundMs: 300_000, absenceMs: 120_000, consentMs: 300_000 };
    const plan = tinyPlan(IDS, {
      name: `run ${++this.runs}`,
      seed: 'kills',
      rounds: 3,
      hidden: [8],
      deadlines,
    });
    const { run } = await client.post<RunView>('/v1/runs', {
      contract: tinyContract,
      plan: { ...plan, aggregation },
    });
    const over = new AbortController();
    const killing = this.killFor(kills, over.signal);
    const view = await this.untilFinished(run).finally(() => over.abort());
    const killed = await killing;
    await this.everybodyIsUp();
    const { outcome, artefact } = view.result!;
    if (artefact !== undefined) await Promise.all(IDS.map((id) => this.hasModel(id, artefact)));
    return { aggregation, artefact, outcome, rounds: view.rounds, kills: killed };
  }

  /** The whole ledger, judged by an auditor. */
  async audit() {
    const file = join(this.folder, 'ledger.bundle');
    await exportBundle(this.consortium.client, file);
    return auditBundle(file, this.consortium.charter);
  }

  private async killFor(kills: number, over: AbortSignal): Promise<string[]> {
    const began = Date.now();
    const killed: string[] = [];
    const dead = new Set<string>();
    while (killed.length < kills) {
      const calm = this.between(CALM_MS);
      const name = this.below(COORDINATOR_EVERY) === 0 ? 'coordinator' : IDS[this.below(IDS.length)]!;
      const deadMs = this.between(DEAD_MS);
      await sleep(calm, undefined, { signal: over }).catch(() => {});
      if (over.aborted || this.consortium.ended.aborted) break;
      if (dead.has(name)) continue;
      killed.push(`${name} at ${Date.now() - began} ms${this.starting.has(name) ? ' (starting)' : ''}`);
      dead.add(name);
      await this.consortium.kill(name);
      void sleep(deadMs).then(() => {
        dead.delete(name);
        this.startAgain(name);
      });
    }
    await eventually('the dead to rise', () => dead.size === 0);
    return killed;
  }

  private startAgain(name: string): void {
    const { consortium } = this;
    const started = name === 'coordinator' ? consortium.startCoordinator(NAME) : consortium.startAgent(name);
    this.starting.set(name, started);
    started
      .catch(() => {}) // killed meanwhile; one that ends by itself stops the consortium
      .finally(() => {
        if (this.starting.get(name) === started) this.starting.delete(name);
      });
  }

  private async everybodyIsUp(): Promise<void> {
    await Promise.all(this.starting.values());
    this.consortium.ended.throwIfAborted();
  }

  private untilFinished(run: string): Promise<RunView> {
    return eventually(
      `the end of run ${this.runs}`,
      async () => {
        this.consortium.ended.throwIfAborted();
        const view = await this.consortium.client.run(run).catch(() => undefined); // it may be dead
        return view?.phase === 'finished' ? view : undefined;
      },
      RUN_WITHIN_MS,
    );
  }

  private hasModel(id: string, artefact: string): Promise<unknown> {
    const models = join(this.consortium.bankFolder(id), 'models');
    return eventually(`the model at ${id}`, async () => (await readdir(models)).includes(`${artefact}.json`));
  }

  private below(n: number): number {
    return Math.floor(this.generator.nextUnit() * n);
  }

  private between([low, high]: readonly [number, number]): number {
    return low + this.below(high - low);
  }
}

/** What a run that was disturbed must have come to. */
export function undisturbedAs(reference: KilledRun) {
  return {
    outcome: 'completed',
    artefact: reference.artefact,
    rounds: reference.rounds.map(({ outcome }) => ({ attempt: 0, outcome, answered: IDS })),
  };
}
