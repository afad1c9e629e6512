/** Large sums, which banks check by sketches: what a coordinator claims of one, and what it then announces. */
import { describe, expect, test } from 'vitest';
import { verifyRuns } from '#models/audit/verify-runs.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { SKETCH_PRIMES, sumOfSketches, VectorSketcher } from '#shared/secure-sum/vector-sketch.ts';
import { bodyOf } from '../support/stub-answers.ts';
import { Consortium, type WideSum } from './consortium.ts';

/** The right sum with its last word changed: as plausible as the right one, if it is by little. */
function changedBy(consortium: Consortium, by: number): { root: string; bytes: Uint8Array } {
  const words = wordsOf('u32', consortium.sum().bytes.slice()) as Uint32Array;
  words[words.length - 1] = words.at(-1)! + by;
  return bodyOf(words);
}

/** The integer in the last word of a claim, made larger. */
const claimedMore =
  (by: bigint) =>
  ({ words, carries }: WideSum): void => {
    const last = words.length - 1;
    const value = BigInt(words[last]!) + (BigInt(carries[last]!) << 32n) + by;
    words[last] = Number(value & 0xffff_ffffn);
    carries[last] = Number(value >> 32n);
  };

/** Waits for its next vector. @returns how it knows that the last sum is right */
async function goesOn(consortium: Consortium): Promise<'by sketches' | 'after reading the vectors'> {
  const { mark } = consortium;
  consortium.ask();
  await consortium.relay(mark, 'masked-input');
  await consortium.settle();
  const hasRead = consortium.agent.log.all.some(({ msg }) => msg.endsWith('reading the vectors'));
  return hasRead ? 'after reading the vectors' : 'by sketches';
}

const inputs = ({ sent }: Consortium): number => sent.filter((type) => type === 'masked-input').length;

test('a bank goes on after a right sum, having read no vector', async () => {
  const consortium = await Consortium.large();
  await consortium.round();
  expect(await goesOn(consortium)).toBe('by sketches');
});

// 2^33 − 9 more, a prime: in the word 9 less, and two carries more. Modulo this prime nothing has changed.
test.each([
  ['after a right claim', 1, () => {}],
  ['that was claimed before', 1, claimedMore(1n)],
  ['that was claimed before, and that one prime cannot tell', -9, claimedMore(BigInt(SKETCH_PRIMES[0]!))],
])('a bank signs no further vector after a wrong sum %s', async (_how, by, change) => {
  const consortium = await Consortium.large();
  await consortium.askAndCollect();
  await consortium.openUp(change);
  consortium.close(changedBy(consortium, by));
  const before = inputs(consortium);
  consortium.ask();
  expect(await consortium.refusal()).toBe('VECROOT');
  await consortium.settle();
  expect(inputs(consortium)).toBe(before);
});

test('a bank reads the vectors after a wrong claim, and goes on if they give the announced sum', async () => {
  const consortium = await Consortium.large();
  await consortium.askAndCollect();
  await consortium.openUp(({ carries }) => void carries[5]!++);
  consortium.close();
  expect(await goesOn(consortium)).toBe('after reading the vectors');
});

test('a bank reads the vectors where what is above the words of a claim is lost', async () => {
  const consortium = await Consortium.large();
  const { history, coordinator } = consortium;
  await consortium.askAndCollect();
  await consortium.openUp();
  const { carries } = maskedOf(history.open).fixed!.maskedSum!;
  coordinator.bodies.set(carries, coordinator.bodies.get(carries)!.slice(1));
  consortium.close();
  expect(await goesOn(consortium)).toBe('after reading the vectors');
});

test('a bank that signs nonsense is found out by its vector, and not believed again', async () => {
  const consortium = await Consortium.large(2);
  const { agent, history } = consortium;
  const openUp = async (): Promise<void> => {
    const { mark } = consortium;
    consortium.fix();
    await consortium.certify('a', 'c');
    history.tell(await consortium.bank('d').certify(history.open, [1, 2, 3, 4, 5]));
    await consortium.relay(mark, 'consistency-check');
    await consortium.relay(mark, 'unmask');
    await consortium.unmask('a', 'c', 'd');
    consortium.close();
  };
  const warnings = (): unknown[] =>
    agent.log.all.filter(({ msg }) => msg.includes('sketch')).map(({ bank }) => bank);
  await consortium.askAndCollect();
  await openUp();
  await consortium.askAndCollect();
  expect(warnings()).toEqual([undefined, 'd']);
  await openUp();
  await goesOn(consortium);
  expect(warnings()).toHaveLength(2); // its vector alone was read
});

describe('a bank that signs a sketch to suit a wrong claim', () => {
  /** The coordinator claims 1 more in the last word, and "d" signs as if that were its own. */
  async function colluding(): Promise<Consortium> {
    const consortium = await Consortium.large();
    const { history } = consortium;
    const { mark } = consortium;
    await consortium.askAndCollect();
    consortium.fix(claimedMore(1n));
    await consortium.certify('a', 'c');
    const more = new VectorSketcher(fromHex(maskedOf(history.open).fixed!.hash));
    const { length } = history.open.payload.question;
    more.add(new Uint32Array(length).fill(1, length - 1));
    const sketch = sumOfSketches([consortium.sketchOf('d')!, more.sketch()]);
    history.tell(await consortium.bank('d').certify(history.open, sketch));
    await consortium.relay(mark, 'consistency-check');
    await consortium.relay(mark, 'unmask');
    await consortium.unmask('a', 'c', 'd');
    return consortium;
  }

  test('can have the vector counted that the claim has fixed before, and the audit names both', async () => {
    const consortium = await colluding();
    consortium.close(changedBy(consortium, 1));
    expect(await goesOn(consortium)).toBe('by sketches');
    const { history, coordinator } = consortium;
    const [verdict] = await verifyRuns(history.state, (root) => pieces(coordinator.bodies.get(root)));
    expect(verdict!.findings.map(({ code }) => code)).toEqual(['SKETCH', 'VECROOT']);
    expect(verdict!.findings[0]!.message).toContain('"d"');
    expect(verdict!.findings[1]!.message).toContain('claimed before');
  });

  test('leaves no choice once the sum is known: the right one is refused', async () => {
    const consortium = await colluding();
    consortium.close();
    const before = inputs(consortium);
    consortium.ask();
    expect(await consortium.refusal()).toBe('VECROOT');
    await consortium.settle();
    expect(inputs(consortium)).toBe(before);
  });
});

async function* one(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

const pieces = (body: Uint8Array | undefined): AsyncGenerator<Uint8Array> | undefined => body && one(body);

test('a bank that is started again certifies no other claim of the same vectors', async () => {
  const consortium = await Consortium.large();
  await consortium.restart(await consortium.askAndCertify());
  const { mark: after } = consortium;
  consortium.fix(claimedMore(1n));
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.settle();
  const sent = consortium.sent.slice(after);
  expect(sent).not.toContain('consistency-check');
  expect(sent).not.toContain('unmask');
});
