import { describe, expect, test } from 'vitest';
import { InlineProgram } from '#coordinator/rounds/run-program.ts';
import { ThreadedProgram } from '#coordinator/threads/threaded-program.ts';
import { lenderContract } from '#models/testing/made-up-lenders.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { planFields, type Plan } from '#shared/protocol/plan.ts';
import { createSharedWords, createWords } from '#shared/ring/ring-sum.ts';

function planOf(settings: object): Plan {
  return planFields.parse({
    v: 1,
    name: 'test',
    contract: '0'.repeat(64),
    program: { name: 'profile', settings },
    participants: ['a', 'b'],
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed: 'seed',
  }) as Plan;
}

async function refusalOf(run: Promise<unknown>): Promise<[string, string]> {
  try {
    await run;
  } catch (error) {
    if (error instanceof FederationError) return [error.code, error.message];
    throw error;
  }
  throw new Error('it was taken');
}

describe('a program in a thread', () => {
  test('asks what it asks here, and refuses what it refuses here, in the same words', async () => {
    const programs = [
      new InlineProgram(planOf({}), lenderContract, 2),
      await ThreadedProgram.start(planOf({}), lenderContract, 2),
    ];
    const [here, there] = programs;
    expect(there!.asked).toEqual(here!.asked);
    const { ring, length } = here!.asked!;
    const refusals = [];
    for (const program of programs) {
      const none = await refusalOf(program.read(createSharedWords(ring, length), 2));
      const short = await refusalOf(program.read(createWords(ring, 3), 2));
      const early = await refusalOf(program.advance());
      refusals.push([none, short, early]);
    }
    expect(refusals[1]).toEqual(refusals[0]);
    expect(refusals[0]!.map(([code]) => code)).toEqual(['CANARY', 'SHAPE', 'STATE']);
    await there!.close();
    expect(await refusalOf(there!.advance())).toEqual(['INTERNAL', 'the thread of the program has ended']);
  });

  test('that cannot begin says why, and leaves no thread', async () => {
    const started = ThreadedProgram.start(planOf({ kMin: 1 }), lenderContract, 2);
    expect((await refusalOf(started))[0]).toBe('PLAN');
  });
});
