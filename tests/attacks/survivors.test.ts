/** Who is in the sum: a coordinator that says so in two ways, or leaves somebody out. */
import { expect, test } from 'vitest';
import type { Message } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';
import type { History } from './history.ts';

/** All four have sent their vectors, and the agent has certified that all four are in the sum. */
async function certified(): Promise<{ consortium: Consortium; before: History }> {
  const consortium = await Consortium.dealt();
  return { consortium, before: await consortium.askAndCertify() };
}

/** The same round, with the vectors of these banks only: others are said to have dropped out. */
function without(before: History, ...gone: string[]): History {
  const other = before.fork(before.entries.findIndex(({ message }) => message.type === 'masked-input'));
  for (const { message } of before.entries) {
    if (message.type === 'masked-input' && !gone.includes(message.payload.from)) other.tell(message);
  }
  return other;
}

test('a bank certifies no second set of survivors for a slot', async () => {
  const { consortium } = await certified();
  const { history } = consortium;
  history.lie('fix-survivors', { ...consortium.survivors(), survivors: [0, 1, 2] });
  expect(await consortium.agent.brokenOff()).toBe('REPLAY');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'consistency-check')).toHaveLength(1);
});

test('a bank breaks off when a slot has two sets of survivors', async () => {
  const { consortium, before } = await certified();
  const other = without(before, 'd');
  consortium.history.lie('fix-survivors', consortium.survivors(other));
  expect(await consortium.agent.brokenOff()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'consistency-check')).toHaveLength(1);
});

test.each(['b', 'd'])(
  'a bank that is started again does not certify that "%s" dropped out after all',
  async (gone) => {
    const { consortium, before } = await certified();
    await consortium.restart(without(before, gone));
    const { mark } = consortium;
    consortium.fix();
    expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
    await consortium.certify('a', 'c', 'd');
    await consortium.askAnew();
    expect(await consortium.refusal()).toBe('EQUIVOCATION');
    await consortium.settle();
    expect(consortium.sent.slice(mark)).not.toContain('consistency-check');
    expect(consortium.sent).not.toContain('unmask');
  },
);

test('a bank that has certified a sum without its vector certifies none with it', async () => {
  const consortium = await Consortium.dealt();
  const { mark } = consortium;
  consortium.ask();
  consortium.input('a', 'c', 'd');
  const own = await consortium.coordinator.until('masked-input', mark);
  const before = consortium.history.fork();
  consortium.fix();
  await consortium.relay(mark, 'consistency-check');
  before.tell(own);
  await consortium.restart(before);
  consortium.fix();
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.certify('a', 'c', 'd');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'consistency-check')).toHaveLength(1);
  expect(consortium.sent).not.toContain('unmask');
});

test('a bank that has opened a sum certifies and opens no other for the same slot', async () => {
  const { consortium, before } = await certified();
  const { mark } = consortium;
  await consortium.certify('a', 'c', 'd');
  await consortium.coordinator.until('unmask', mark);
  await consortium.restart(without(before, 'b'));
  consortium.fix();
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.certify('a', 'c', 'd');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'unmask')).toHaveLength(1);
});

test('a bank breaks off when a vector comes after the survivors were fixed', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect(['a', 'c']);
  const { mark, history } = consortium;
  consortium.fix();
  await consortium.relay(mark, 'consistency-check');
  const { asked } = consortium.machine();
  history.forge(consortium.bank('d').input(history.open, asked!, consortium.coordinator.bodies).message);
  expect(await consortium.agent.brokenOff()).toBe('LATE');
  await consortium.settle();
  expect(consortium.sent).not.toContain('unmask');
});

test('a bank certifies no sum of fewer banks than the smallest sum', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect(['a']);
  consortium.history.lie('fix-survivors', consortium.survivors());
  expect(await consortium.agent.brokenOff()).toBe('COHORT');
  await consortium.settle();
  expect(consortium.sent.at(-1)).toBe('masked-input');
});

test('a bank certifies no sum of fewer banks than its plan needs', async () => {
  const consortium = await Consortium.gather();
  await consortium.startRun({ minimum: 4 });
  await consortium.dealKeys();
  await consortium.askAndCollect(['a', 'c']);
  consortium.history.lie('fix-survivors', consortium.survivors());
  expect(await consortium.agent.brokenOff()).toBe('COHORT');
  await consortium.settle();
  expect(consortium.sent.at(-1)).toBe('masked-input');
});

test.each([
  ['name a bank that sent no vector', { survivors: [0, 1, 2, 3] }],
  ['leave out a bank whose vector was accepted', { survivors: [0, 2, 3] }],
  ['name a bank twice', { survivors: [0, 1, 1, 2] }],
  ['hash to something else', { survivorsHash: 'e'.repeat(64) }],
])('a bank certifies no survivors that %s', async (_what, lie) => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect(['a', 'c']);
  consortium.history.lie('fix-survivors', { ...consortium.survivors(), ...lie });
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent.at(-1)).toBe('masked-input');
});

test('a bank breaks off when another vector than the one it sent is shown as its own', async () => {
  const consortium = await Consortium.dealt();
  const { mark, history } = consortium;
  consortium.ask();
  const { payload } = await consortium.coordinator.until('masked-input', mark);
  const { seed } = consortium.bank('a');
  history.lie('masked-input', { ...payload, vectorRoot: 'e'.repeat(64) }, seed);
  expect(await consortium.agent.brokenOff()).toBe('SIG');
  await consortium.settle();
});

test('a bank breaks off when its vector of an earlier round is shown again', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const earlier = consortium.history.entries
    .map(({ message }) => message)
    .find((m): m is Message<'masked-input'> => m.type === 'masked-input' && m.payload.from === 'b')!;
  consortium.ask();
  consortium.history.forge(earlier);
  expect(await consortium.agent.brokenOff()).toBe('LATE');
  await consortium.settle();
});
