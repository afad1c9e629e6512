/**
 * Every durable step of a run, times two: the party crashes before the step is persisted, and after it when
 * nobody has heard of it yet. The same run must go on inside its rounds, nobody does twice what was finished,
 * and it ends with the model of the undisturbed run and a ledger that verifies.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  IDS,
  ThreeBanks,
  type Crash,
  type Mode,
  type Outcome,
  type Upkeep,
} from '../recovery/three-banks.ts';

/** Runs that go on at the same time, each in a consortium of its own: a crash is mostly waiting. */
const LANES = 3;

/** Which of several: the first of a run is not like the others, nor is the first of a round. */
type Row = readonly [step: string, nth: number];

const EVERY_RUN: readonly Row[] = [
  ['entry run-proposed', 1],
  ['entry consent', 2],
  ['entry run-started', 1],
  ['entry open-round', 3],
  ['entry close-round', 2],
  ['entry checkpoint', 1],
  ['entry cosign', 2],
  ['entry run-finished', 1],
  ['body written', 1], // the contract
  ['body written', 3], // a sum
  ['body written', 6], // the model
  ['body claimed', 5],
];

const COORDINATOR: Record<Mode, readonly Row[]> = {
  plain: [...EVERY_RUN, ['entry plain-input', 6]],
  masked: [
    ...EVERY_RUN,
    ['body claimed', 2], // shares
    ['entry open-session', 1],
    ['entry advertise-keys', 2],
    ['entry share-keys', 2],
    ['entry seal-session', 1],
    ['entry masked-input', 6],
    ['entry fix-survivors', 2],
    ['entry consistency-check', 5],
    ['entry unmask', 4],
  ],
  large: [
    ['body received', 2],
    ['body claimed', 11], // of those that were received
    ['body written', 4],
  ],
};

const EVERY_AGENT: readonly Row[] = [
  ['promise consent', 1],
  ['promise run-started', 1],
  ['answer in the outbox', 2],
  ['answer forgotten', 2],
  ['witnessed head', 1],
  ['model', 1],
];

const AGENT: Record<Mode, readonly Row[]> = {
  plain: EVERY_AGENT,
  masked: [
    ...EVERY_AGENT,
    ['seed of a session', 1],
    ['promise advertise-keys', 1],
    ['promise share-keys', 1],
    ['keys of a session', 1],
    ['promise masked-input', 2],
    ['promise consistency-check', 2],
    ['promise unmask', 2],
    ['keys without a slot', 2],
    ['keys forgotten', 1],
  ],
  large: [
    ['answer in the outbox', 3],
    ['promise masked-input', 3],
  ],
};

const MODES = ['plain', 'masked', 'large'] as const;

/** Of a masked run in which one bank refuses a question once, so that it is asked again. */
const REFUSED: readonly [party: Crash['party'], ...Row][] = [
  ['coordinator', 'entry refuse-round', 1],
  ['coordinator', 'entry void-round', 1],
  ['coordinator', 'entry abort-round', 2],
  ['agent', 'promise abort-round', 1],
];

/** Of a masked run in which a fourth bank deals what "b" cannot open, and is named and left out for it. */
const CHEATED: readonly [party: Crash['party'], ...Row][] = [
  ['coordinator', 'entry complain', 1],
  ['coordinator', 'entry blame', 1],
  ['coordinator', 'entry void-session', 1],
  ['coordinator', 'entry open-session', 2],
  ['agent', 'keys of a session', 1],
];

const UPKEEP: readonly Upkeep[] = ['rotate-log-key', 'rotate-key', 'incident', 'revoke'];

const lanes: ThreeBanks[] = [];
const waiting: ((lane: ThreeBanks) => void)[] = [];
const undisturbed = new Map<string, Outcome>();

beforeAll(async () => {
  lanes.push(...(await Promise.all(Array.from({ length: LANES }, () => ThreeBanks.start()))));
  const [lane] = lanes;
  for (const mode of MODES) undisturbed.set(mode, await lane!.carryOut(mode));
  undisturbed.set('refused', await lane!.carryOut('masked', [], 'refuses'));
  undisturbed.set('cheated', await lane!.carryOut('masked', [], 'cheats'));
}, 180_000);

/** A consortium that nobody else uses meanwhile. */
async function inLane<T>(use: (lane: ThreeBanks) => Promise<T>): Promise<T> {
  const lane = lanes.pop() ?? (await new Promise<ThreeBanks>((resolve) => waiting.push(resolve)));
  try {
    return await use(lane);
  } finally {
    const next = waiting.shift();
    if (next === undefined) lanes.push(lane);
    else next(lane);
  }
}

/** It crashes before the step is persisted; and when it is tried again, after. */
function twice(party: Crash['party'], step: string, nth: number): Crash[] {
  return [
    { party, step, nth, moment: 'before' },
    { party, step, nth: 1, moment: 'after' },
  ];
}

/** @param again how many answers the bank that crashed may have computed once more */
function expectUndisturbed(outcome: Outcome, mode: Mode | 'refused' | 'cheated', again: number): void {
  const expected = undisturbed.get(mode)!;
  expect(outcome.artefact).toBe(expected.artefact);
  const { cosign, unmask = 0, 'abort-round': votes = 0, ...entries } = outcome.entries;
  const { cosign: _cosign, unmask: _unmask, 'abort-round': wanted = 0, ...others } = expected.entries;
  // how many had answered when the round was given up is up to chance
  if (mode === 'refused' || mode === 'cheated') entries['masked-input'] = others['masked-input']!;
  expect(entries).toEqual(others);
  // a quorum is enough, the last may come too late; a cheat that is left out still cosigns and votes while it is there
  const banks = entries.consent!;
  expect(cosign).toBeLessThanOrEqual(banks);
  expect(votes).toBeGreaterThanOrEqual(Math.min(wanted, IDS.length));
  expect(votes).toBeLessThanOrEqual(banks);
  expect(unmask).toBeLessThanOrEqual(IDS.length * (expected.entries['open-round'] ?? 0));
  // the answer to a question that was given up early is computed again, or for the first time
  const given = mode === 'refused' || mode === 'cheated' ? 1 : 0;
  outcome.computed.forEach((times, i) => {
    expect(times, IDS[i]).toBeGreaterThanOrEqual(expected.computed[i]! - given);
    expect(times, IDS[i]).toBeLessThanOrEqual(expected.computed[i]! + given + (IDS[i] === 'b' ? again : 0));
  });
  expect(outcome.left).toEqual([]);
}

describe.concurrent.each(MODES)('in a %s run', (mode) => {
  test.each(COORDINATOR[mode])(
    'a coordinator that crashes before "%s" (%i) is persisted, and again after it, goes on inside the round',
    async (step, nth) => {
      const outcome = await inLane((lane) => lane.carryOut(mode, twice('coordinator', step, nth)));
      expectUndisturbed(outcome, mode, 0);
    },
  );

  test.each(AGENT[mode])(
    'an agent that crashes before its "%s" (%i) is persisted, and again after it, goes on inside the round',
    async (step, nth) => {
      const outcome = await inLane((lane) => lane.carryOut(mode, twice('agent', step, nth)));
      expectUndisturbed(outcome, mode, 2); // what is quickly computed is not kept
    },
  );
});

test.concurrent.each(REFUSED)(
  'when a bank refuses a question, %s that crashes before "%s" (%i) is persisted, and again after it, goes on',
  async (party, step, nth) => {
    const crashes = twice(party, step, nth);
    const outcome = await inLane((lane) => lane.carryOut('masked', crashes, 'refuses'));
    expectUndisturbed(outcome, 'refused', 2);
  },
);

test.concurrent.each(CHEATED)(
  'when a bank deals shares that cannot be opened, %s that crashes before "%s" (%i) is persisted, and again after it, goes on without the cheat',
  async (party, step, nth) => {
    const crashes = twice(party, step, nth);
    const outcome = await inLane((lane) => lane.carryOut('masked', crashes, 'cheats'));
    expectUndisturbed(outcome, 'cheated', 2);
  },
);

test.concurrent.each(UPKEEP.flatMap((type) => [[type, 'before'] as const, [type, 'after'] as const]))(
  'a "%s" that meets a coordinator which crashes %s it is persisted is in the ledger once when it is done again',
  (type, moment) => inLane((lane) => lane.upkeep(type, moment)),
);

test.concurrent.each([
  ['invite', 'before'],
  ['invite', 'after'],
  ['enrol', 'before'],
  ['enrol', 'after'],
  ['admit', 'before'],
  ['admit', 'after'],
] as const)(
  'a bank whose "%s" meets a coordinator that crashes %s it is persisted joins by doing the same again',
  async (type, moment) => {
    await inLane((lane) => lane.join(`joins-${type}-${moment}`, { type, moment }));
  },
);

test('every ledger that came out of it verifies', async () => {
  expect(lanes).toHaveLength(LANES);
  for (const lane of lanes) {
    expect(await lane.audit()).toMatchObject({ passed: true, complete: true, findings: [] });
  }
});

test.each(['before', 'after'] as const)(
  'a "retention" that meets a coordinator which crashes %s it is persisted has deleted the bodies when it is done again',
  (moment) => inLane((lane) => lane.upkeep('retention', moment)),
);

test('a ledger whose bodies have expired verifies in all that is left', async () => {
  const audits = await Promise.all(lanes.map((lane) => lane.audit()));
  for (const audit of audits) expect(audit).toMatchObject({ passed: true, findings: [] });
  expect(audits.filter(({ complete }) => !complete).length).toBeGreaterThan(0);
});
