/** The announced sum: every bank computes it again before it signs another vector. */
import { expect, test } from 'vitest';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { bodyOf } from '../support/stub-answers.ts';
import { Consortium } from './consortium.ts';

/** The right sum with one word changed a little, so that it is as plausible as the right one. */
function plausible(consortium: Consortium): { root: string; bytes: Uint8Array } {
  const { ring } = consortium.history.open.payload.question;
  const words = wordsOf(ring, consortium.sum().bytes.slice());
  const last = words.length - 1;
  if (words instanceof BigUint64Array) words[last] = words[last]! + 1n;
  else words[last] = words[last]! + 1;
  return bodyOf(words);
}

function inputs(consortium: Consortium): number {
  return consortium.sent.filter((type) => type === 'masked-input').length;
}

/** A round of which all shares are revealed. */
async function opened(): Promise<Consortium> {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  await consortium.openUp();
  return consortium;
}

test('a bank signs no further vector after a wrong sum was announced', async () => {
  const consortium = await opened();
  consortium.close(plausible(consortium));
  consortium.ask();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank that is started again signs no further vector after a wrong sum was announced', async () => {
  const consortium = await opened();
  consortium.close(plausible(consortium));
  await consortium.restart();
  consortium.ask();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank finds a wrong sum also when the next round was given up before it could look', async () => {
  const consortium = await opened();
  const wrong = plausible(consortium);
  let serve = (): void => {};
  consortium.coordinator.held.set(wrong.root, new Promise((resolve) => (serve = resolve)));
  consortium.close(wrong); // whose bytes come only when the next round is over
  consortium.ask();
  await consortium.askAnew();
  serve();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank that was away finds a wrong sum also when the next round was given up', async () => {
  const consortium = await opened();
  await consortium.agent.stop();
  consortium.close(plausible(consortium));
  consortium.ask();
  await consortium.askAnew();
  await consortium.agent.start();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank that was away finds a wrong sum also when the others have closed another round on it', async () => {
  const consortium = await opened();
  await consortium.agent.stop();
  consortium.close(plausible(consortium));
  consortium.ask();
  consortium.input('a', 'c', 'd');
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.unmask('a', 'c', 'd');
  consortium.close();
  consortium.ask();
  await consortium.agent.start();
  expect(await consortium.agent.leftRun()).toBe('VECROOT');
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank leaves a run whose sum is longer than its question', async () => {
  const consortium = await opened();
  const { bytes } = consortium.sum();
  const longer = new Uint8Array(bytes.length + 8);
  longer.set(bytes);
  consortium.close(bodyOf(longer));
  expect(await consortium.agent.leftRun()).toBe('SHAPE');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank leaves a run whose sum lacks a bank that was in it', async () => {
  const consortium = await opened();
  const { ring } = consortium.history.open.payload.question;
  const words = wordsOf(ring, consortium.sum().bytes.slice());
  if (words instanceof BigUint64Array) words[0] = words[0]! - 1n;
  else words[0] = words[0]! - 1;
  consortium.close(bodyOf(words));
  expect(await consortium.agent.leftRun()).toBe('CANARY');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});

test('a bank breaks off when a round is closed before enough banks have revealed shares', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { mark, history } = consortium;
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.relay(mark, 'unmask');
  await consortium.unmask('a');
  const { slot: _slot, ...said } = consortium.survivors();
  history.lie('close-round', { ...said, sumRoot: 'e'.repeat(64) });
  expect(await consortium.agent.brokenOff()).toBe('SHARES');
  await consortium.settle();
});

test('a bank breaks off when a round is closed with other survivors than it has certified', async () => {
  const consortium = await opened();
  const { slot: _slot, ...said } = consortium.survivors();
  consortium.history.lie('close-round', { ...said, survivors: [0, 1, 2], sumRoot: 'e'.repeat(64) });
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
});

test('a bank signs no further vector when another revealed shares that open nothing', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { mark, history } = consortium;
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.relay(mark, 'unmask');
  await consortium.unmask('c', 'd');
  const right = consortium.sum();
  const revealed = consortium.bank('a').unmask(history.open, consortium.coordinator.bodies);
  const shares = revealed.payload.shares.map((share, i, all) => all[(i + 1) % all.length] ?? share);
  history.tell(consortium.bank('a').sign('unmask', { ...revealed.payload, shares }));
  consortium.close(right);
  consortium.ask();
  expect(await consortium.refusal()).toBe('DEALER_SELF');
  await consortium.settle();
  expect(inputs(consortium)).toBe(1);
});
