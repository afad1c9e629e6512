/**
 * Chance as the coordinator: histories that branch anywhere, restarts, rounds that are asked, fixed, certified,
 * given up and asked again in any order that its own rules allow. Whatever the bank is led to, it never says
 * two things for one purpose, and never reveals both seeds of a bank.
 */
import { expect, test } from 'vitest';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { Consortium } from './consortium.ts';
import type { History } from './history.ts';

const STEPS = 40;

class Chance {
  private readonly generator: SeededGenerator;
  constructor(seed: string) {
    this.generator = new SeededGenerator('schedules', seed);
  }
  below(limit: number): number {
    return this.generator.nextUint32() % limit;
  }
}

/** One thing that the rules allow where the history stands. The bank is mostly given the time to react. */
async function step(consortium: Consortium, chance: Chance): Promise<void> {
  const { history } = consortium;
  const { phase, past } = history.run;
  const wait = chance.below(4) > 0;
  if (phase.name === 'ready') {
    const old = past.at(-1);
    if (phase.attempt > 0) for (const bank of consortium.played) history.tell(bank.vote(old!.open));
    consortium.ask({ deadlineAt: 4_000_000_000_000 + chance.below(2) });
    if (wait) await consortium.reaction('masked-input', 'refuse-round');
    return;
  }
  const { masked, inputs } = history.open;
  const { fixed, certificates, unmasks } = masked!;
  const own = consortium.own('masked-input');
  if (inputs.size === 0) {
    consortium.input('a', 'c', ...(own === undefined || chance.below(2) === 0 ? ['d'] : []));
    if (own !== undefined && (inputs.size < 3 || chance.below(3) > 0)) history.tell(own);
  } else if (unmasks.size === 0 && chance.below(8) === 0) {
    consortium.giveUp();
  } else if (fixed === undefined) {
    consortium.fix();
    if (wait) await consortium.reaction('consistency-check');
  } else if (certificates.size < 3) {
    const missing = ['a', 'c', 'd'].filter((_, i) => !certificates.has([0, 2, 3][i]!));
    await consortium.certify(missing[chance.below(missing.length)]!);
    if (certificates.size === 3 && wait) await consortium.reaction('unmask');
  } else if (unmasks.size === 0) {
    await consortium.unmask('a', 'c', 'd');
  } else {
    consortium.close();
  }
}

test.each(['one', 'two', 'three', 'four', 'five', 'six'])(
  'a bank keeps its promises whatever it is told (%s)',
  async (seed) => {
    const chance = new Chance(seed);
    const consortium = await Consortium.dealt(16);
    const branches: History[] = [consortium.history.fork()];
    for (let i = 0; i < STEPS; i++) {
      if (chance.below(7) === 0 || consortium.machine().asked === undefined) {
        const branch = branches[chance.below(branches.length)]!;
        await consortium.restart(chance.below(3) === 0 ? consortium.history : branch.fork());
        if (consortium.machine().asked === undefined) await consortium.restart(branches[0]!.fork());
      }
      await step(consortium, chance);
      branches.push(consortium.history.fork());
    }
    await consortium.settle();
    expect(consortium.sent).toContain('masked-input');
  },
);
