/** The stage of all attacks: as long as nobody cheats, the agent takes part. Otherwise they would prove nothing. */
import { expect, test } from 'vitest';
import { stubSumRoot } from '../support/stub-answers.ts';
import { Consortium } from './consortium.ts';

test('a bank completes masked rounds with a coordinator that keeps the rules', async () => {
  const consortium = await Consortium.dealt();
  const { asked } = consortium.machine();
  await consortium.round();
  const [first] = consortium.history.run.past;
  expect(first!.end).toMatchObject({ payload: { sumRoot: stubSumRoot(asked!, ['a', 'b', 'c', 'd']) } });
  await consortium.round();
  await consortium.settle();
  const round = ['masked-input', 'consistency-check', 'unmask'];
  expect(consortium.sent).toEqual(['consent', 'advertise-keys', 'share-keys', ...round, ...round]);
});

test('a bank whose vector is not in the sum helps to open the sum of the others', async () => {
  const consortium = await Consortium.dealt();
  const { mark } = consortium;
  const { asked } = consortium.machine();
  consortium.ask();
  consortium.input('a', 'c', 'd');
  await consortium.next('masked-input');
  await consortium.openUp();
  expect(consortium.sum().root).toBe(stubSumRoot(asked!, ['a', 'c', 'd']));
  await consortium.settle();
  expect(consortium.sent.slice(mark)).toEqual(['masked-input', 'consistency-check', 'unmask']);
});

test('a bank votes to ask again, and answers again, when a round is given up', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  await consortium.voteAgain();
  await consortium.round();
  await consortium.settle();
  expect(consortium.sent.slice(3)).toEqual([
    ...['masked-input', 'abort-round', 'masked-input', 'consistency-check', 'unmask'],
  ]);
});
