/** What is asked: only what follows from the plan the bank consented to, and from the sums since. */
import { expect, test } from 'vitest';
import { contractHash } from '#shared/contract/contract.ts';
import { plan } from '#shared/protocol/plan.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';
import { Consortium } from './consortium.ts';

type Question = Parameters<Consortium['ask']>[0];

const lies: [what: string, lie: (honest: NonNullable<Question>) => Question][] = [
  ['is another', ({ question }) => ({ question: { ...question!, hash: 'e'.repeat(64) } })],
  ['is longer', ({ question }) => ({ question: { ...question!, length: question!.length + 1 } })],
  [
    'is in another ring',
    ({ question }) => ({ question: { ...question!, ring: question!.ring === 'u32' ? 'u64' : 'u32' } }),
  ],
  ['comes with other figures', () => ({ metrics: { gini: 0.99 } })],
];

test.each(lies)('a bank does not answer a question that %s than its own', async (_what, lie) => {
  const consortium = await Consortium.dealt();
  consortium.ask(lie(consortium.openRound()));
  expect(await consortium.refusal()).toBe('LINEAGE');
  await consortium.settle();
  expect(consortium.sent.at(-1)).toBe('refuse-round');
  expect(consortium.coordinator.uploads).toHaveLength(1); // its share table
});

test.each(lies)('a bank does not answer when the second question %s than its own', async (_what, lie) => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  consortium.ask(lie(consortium.openRound()));
  expect(await consortium.refusal()).toBe('LINEAGE');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test.each([
  ['round', { round: 1 }],
  ['attempt', { attempt: 1 }],
  ['parent', { parent: 'e'.repeat(64) }],
])('a bank does not answer a round that has another %s than comes next', async (_what, lie) => {
  const consortium = await Consortium.dealt();
  consortium.history.lie('open-round', consortium.openRound(lie));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).not.toContain('masked-input');
});

test('a bank breaks off when a run starts that nobody was asked about', async () => {
  const consortium = await Consortium.gather();
  consortium.propose();
  consortium.history.lie('run-started', consortium.runStarted()); // at once: nobody can have consented
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type !== 'consent')).toEqual([]);
});

test('a bank has no part in a run that it has refused', async () => {
  const consortium = await Consortium.gather();
  const { history } = consortium;
  const proposal = plan.parse({
    ...tinyPlan(['a', 'b', 'c', 'd'], { minimum: 3 }),
    ...{ aggregation: 'plain', contract: contractHash(tinyContract) },
  });
  history.say('run-proposed', { charter: consortium.coordinator.charterHash, plan: proposal });
  expect((await consortium.coordinator.until('consent')).payload.decision).toBe('refused');
  const { identityKeys: _keys, ...started } = consortium.runStarted();
  const { run } = started;
  const parent = history.say('run-started', started).hash;
  const { asked } = consortium.machine();
  const { kind, ring } = asked!.question;
  history.say('open-round', {
    ...{ run, parent, round: 0, attempt: 0, metrics: {}, deadlineAt: 4_000_000_000_000 },
    question: { kind, hash: asked!.hash, ring, length: asked!.length },
    head: history.head,
  });
  await consortium.startRun();
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent', 'consent']);
  expect(consortium.coordinator.uploads).toEqual([]);
});

test('a bank starts no run that was never proposed', async () => {
  const consortium = await Consortium.running();
  const run = 'e'.repeat(64) as never;
  consortium.history.lie('run-started', consortium.runStarted({ run }));
  expect(await consortium.agent.brokenOff()).toBe('NOT_FOUND');
  await consortium.settle();
});

test('a bank breaks off when a run is proposed a second time', async () => {
  const consortium = await Consortium.dealt();
  const { history } = consortium;
  history.forge(history.entries.find(({ message }) => message.type === 'run-proposed')!.message);
  expect(await consortium.agent.brokenOff()).toBe('REPLAY');
  await consortium.settle();
});
