/**
 * `demo --chaos`: processes of the consortium are killed (kill -9) and started again while they train. The run
 * must end with the same model as an undisturbed one, and with a ledger that verifies.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** Between one kill and the next, ms. */
const CALM_MS = [500, 2500] as const;
/** How long a process stays dead, ms. */
const DEAD_MS = [50, 800] as const;
/** One kill in so many is the coordinator's. */
const COORDINATOR_EVERY = 3;

export class Chaos {
  /** How often each process was killed. */
  readonly kills = new Map<string, number>();
  private readonly consortium: LocalConsortium;
  private readonly banks: readonly string[];
  private readonly generator: SeededGenerator;

  constructor(consortium: LocalConsortium, banks: readonly string[], seed: string) {
    this.consortium = consortium;
    this.banks = banks;
    this.generator = new SeededGenerator('chaos', seed);
  }

  /** Kills and restarts until the signal aborts; then everything is running again. */
  async reign(until: AbortSignal): Promise<void> {
    while (await pause(this.between(CALM_MS), until)) {
      const name =
        this.below(COORDINATOR_EVERY) === 0 ? 'coordinator' : this.banks[this.below(this.banks.length)]!;
      this.kills.set(name, (this.kills.get(name) ?? 0) + 1);
      await this.consortium.kill(name);
      await pause(this.between(DEAD_MS), until);
      if (this.consortium.ended.aborted) return;
      if (name === 'coordinator') await this.consortium.startCoordinator('simulation');
      else await this.consortium.startAgent(name);
    }
  }

  private below(n: number): number {
    return Math.floor(this.generator.nextUnit() * n);
  }

  private between([low, high]: readonly [number, number]): number {
    return low + this.below(high - low);
  }
}

/** @returns false when the signal aborted */
async function pause(ms: number, until: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal: until }).catch(() => {});
  return !until.aborted;
}
