import { describe, expect, test } from 'vitest';
import type { FedavgSettingsInput } from '#models/fedavg/settings.ts';
import { RunMachine } from '#models/run-machine.ts';
import { withTrainingCounts } from '#models/testing/training-counts.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { plan } from '#shared/protocol/plan.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields, type FieldValues, type RingWords } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'a', type: 'number', min: 0, max: 1 },
    { name: 'c', type: 'category', categories: ['x', 'y'] },
  ],
});
const SETTINGS: FedavgSettingsInput = {
  network: { hidden: [3], dropout: 0.1 },
  stop: { rounds: 3 },
  server: { momentum: 0.5 },
};

function planOf(changes: object = {}) {
  return plan.parse({
    v: 1,
    name: 'spring',
    contract: contractHash(contract),
    program: { name: 'fedavg', settings: SETTINGS },
    participants: ['alder', 'birch', 'cedar'],
    cohort: { minimum: 2 },
    aggregation: 'plain',
    seed: 'seed',
    ...changes,
  });
}

const machineOf = (changes: object = {}, participants = 3) =>
  new RunMachine(planOf(changes), contract, participants);

/** Numbers of a plausible size for every field of the question, from a seed. */
function answerOf(machine: RunMachine, seed: string): FieldValues {
  const generator = new SeededGenerator(seed);
  const values: Record<string, Float64Array> = {};
  for (const { name, length, clip } of machine.asked!.question.fields) {
    const size = Math.min(clip, 50);
    values[name] = Float64Array.from({ length }, () => Math.floor(size * generator.nextUnit()) + 1);
  }
  return withTrainingCounts(values);
}

/** A sum of `banks` answers. */
function sumOf(machine: RunMachine, banks = 3, seed = 'sum'): RingWords {
  const { question, length } = machine.asked!;
  const sum = createWords(question.ring, length);
  for (let i = 0; i < banks; i++) {
    addInto(sum, encodeFields(answerOf(machine, `${seed} ${i}`), question.fields, question.ring, 's'));
  }
  return sum;
}

function step(machine: RunMachine, words = sumOf(machine), banks = 3): void {
  machine.next(words, banks, vectorRoot(words));
}

/** All question hashes of a run, then the root of its model. */
function play(machine: RunMachine): string[] {
  const hashes: string[] = [];
  while (machine.asked !== undefined) {
    hashes.push(machine.asked.hash);
    step(machine);
  }
  return [...hashes, machine.finished!.root];
}

describe('a run machine', () => {
  test('asks, in the same words, everybody who has seen the same sums', () => {
    const hashes = play(machineOf());
    expect(hashes).toHaveLength(2 + 3 + 1 + 1);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(play(machineOf())).toEqual(hashes);
  });

  test('ends with a model, named by the root of its bytes, and asks no more', () => {
    const machine = machineOf();
    const root = play(machine).at(-1)!;
    expect(vectorRoot(machine.finished!.artefact)).toBe(root);
    expect(JSON.parse(new TextDecoder().decode(machine.finished!.artefact))).toMatchObject({
      kind: 'network',
      contract: { name: 'retail' },
    });
    expect(machine.finished!.reason).toBe('all 3 rounds done');
    const last = createWords('u32', 1);
    expect(() => machine.next(last, 3, vectorRoot(last))).toThrow(expect.objectContaining({ code: 'STATE' }));
  });

  test('has no model before the end, and no question after it', () => {
    const machine = machineOf();
    expect([machine.asked?.question.kind, machine.finished, machine.metrics]).toEqual([
      'means',
      undefined,
      {},
    ]);
    play(machine);
    expect(machine.asked).toBeUndefined();
  });

  test('says how long a vector must be', () => {
    const machine = machineOf();
    while (machine.asked !== undefined) {
      const { question, length } = machine.asked;
      expect(sumOf(machine)).toHaveLength(length);
      expect(length).toBe(question.fields.reduce((total, field) => total + field.length, 1));
      step(machine);
    }
  });
});

describe('the hash of a question', () => {
  test('is what another implementation computes from the plan, the sums and the question', () => {
    const machine = machineOf();
    let lineage = messageHash('lineage', { plan: planOf(), participants: 3 });
    while (machine.asked !== undefined) {
      const { kind, ring, fields, settings, tensors } = machine.asked.question;
      const sums = Object.entries(tensors).map(([name, tensor]) => {
        return [name, tensor.length];
      });
      const whole = { kind, ring, fields, settings, lineage, tensors: Object.fromEntries(sums) as object };
      expect(machine.asked.hash).toBe(messageHash('question', whole));
      const words = sumOf(machine);
      step(machine, words);
      lineage = messageHash('lineage', { before: lineage, sumRoot: vectorRoot(words) });
    }
  });

  test.each<[string, object]>([
    ['the seed', { seed: 'another' }],
    ['the name of the run', { name: 'autumn' }],
    ['the contract it names', { contract: 'c'.repeat(64) }],
    ['a setting of the program', { program: { name: 'fedavg', settings: { ...SETTINGS, clip: 2 } } }],
    ['the banks that are asked', { participants: ['alder', 'birch', 'dogwood'] }],
    ['the deadlines', { deadlines: { roundMs: 1000 } }],
  ])('changes from the first question on with %s', (_what, changes) => {
    expect(machineOf(changes).asked!.hash).not.toBe(machineOf().asked!.hash);
  });

  test('changes with the number of banks on the roster', () => {
    expect(machineOf({}, 2).asked!.hash).not.toBe(machineOf().asked!.hash);
  });

  test('changes with every sum before it, by a single unit in a single word', () => {
    const [one, other] = [machineOf(), machineOf()];
    for (const machine of [one, other]) for (let i = 0; i < 2; i++) step(machine);
    const words = sumOf(one);
    const changed = words.slice();
    changed[2] = (words[2] as number) + 1;
    step(one, words);
    step(other, changed);
    expect(one.asked!.hash).not.toBe(other.asked!.hash);
    for (const machine of [one, other]) step(machine, sumOf(one));
    expect(one.asked!.hash).not.toBe(other.asked!.hash);
  });

  test('changes with a sum even where the question itself stays the same', () => {
    const [one, other] = [machineOf(), machineOf()];
    step(one, sumOf(one));
    const words = sumOf(other);
    other.next(words, 3, 'f'.repeat(64)); // another root for the same sum
    expect(one.asked!.question).toEqual(other.asked!.question);
    expect(one.asked!.hash).not.toBe(other.asked!.hash);
  });
});

describe('a sum that cannot be', () => {
  const faults: [what: string, code: string, spoil: (words: RingWords) => RingWords][] = [
    ['counts another number of banks', 'CANARY', (words) => spoilt(words, 0, 4)],
    ['holds a value nobody may send', 'RANGE', (words) => spoilt(words, words.length - 1, 2 ** 31 - 1)],
    ['is too short', 'SHAPE', (words) => words.slice(0, -1)],
    [
      'is too long',
      'SHAPE',
      (words) =>
        words instanceof Uint32Array ? Uint32Array.of(...words, 0) : BigUint64Array.of(...words, 0n),
    ],
  ];

  function spoilt(words: RingWords, index: number, value: number): RingWords {
    const copy = words.slice();
    copy[index] = copy instanceof Uint32Array ? value : BigInt(value) * 2n ** 22n;
    return copy;
  }

  test.each(faults)(
    'because it %s is refused with %s, and the machine goes on as if it had not come',
    (_what, code, spoil) => {
      const machine = machineOf();
      const expected = play(machineOf());
      for (let round = 0; machine.asked !== undefined; round++) {
        const { asked, metrics } = machine;
        const words = spoil(sumOf(machine));
        expect(() => step(machine, words)).toThrow(expect.objectContaining({ code }));
        expect(machine.asked).toBe(asked);
        expect(machine.metrics).toBe(metrics);
        expect(machine.finished).toBeUndefined();
        expect(asked.hash).toBe(expected[round]);
        step(machine);
      }
      expect(machine.finished!.root).toBe(expected.at(-1));
    },
  );

  test('because fewer banks are in it than were counted is refused', () => {
    const machine = machineOf();
    const words = sumOf(machine, 2);
    expect(() => machine.next(words, 3, vectorRoot(words))).toThrow(
      expect.objectContaining({ code: 'CANARY' }),
    );
    machine.next(words, 2, vectorRoot(words));
    expect(machine.asked!.question.kind).toBe('spreads');
  });
});

describe('a plan that cannot be', () => {
  test('because there is no such program is refused', () => {
    const program = { name: 'gbdt', settings: null };
    expect(() => machineOf({ program })).toThrow(expect.objectContaining({ code: 'PLAN' }));
  });

  test('because its settings are not valid is refused', () => {
    const program = { name: 'fedavg', settings: { network: { hidden: [] } } };
    expect(() => machineOf({ program })).toThrow(expect.objectContaining({ code: 'PLAN' }));
  });
});
