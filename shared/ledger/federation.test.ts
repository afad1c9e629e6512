/**
 * One small history with real signatures is the fixture: three banks join; a first round is void, its retry
 * closes with two of them, a second round with all three, the run ends. Every entry is then tried at every
 * other place, and in random order.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { parseEntry, recordEntry } from '#shared/ledger/entry.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type FederationState } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { participantId, runId, type ParticipantId } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { isBankMessage, type Message, type MessageType, type Payload } from '#shared/protocol/messages.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';
import { plan, type Plan } from '#shared/protocol/plan.ts';

const BANKS = ['alder', 'birch', 'cedar'].map((name) => participantId.parse(name));
const [ALDER, BIRCH, CEDAR] = BANKS as [ParticipantId, ParticipantId, ParticipantId];
const seedOf = (name: string) => sha256(utf8(`seed of ${name}`));
const keyOf = (name: string) => toBase64Url(publicKeyOf(seedOf(name)));
const witnessKeys = (banks: readonly string[]) => banks.map((bank) => keyOf(`witness of ${bank}`));
const digest = (text: string) => toHex(sha256(utf8(text)));
const tokenOf = (bank: string) => `one-time token of ${bank}`;

const START = 1_800_000_000_000;
const HOUR = 3_600_000;

/** Whoever may sign a message with this payload. */
function authorOf(payload: object): string {
  return 'from' in payload ? (payload.from as string) : 'coordinator';
}

function sign<T extends MessageType>(type: T, payload: Payload<T>, author?: string): Message {
  return signMessage(type, payload, seedOf(author ?? authorOf(payload))) as Message;
}

/** Admits, authenticates and folds messages, as the coordinator does. */
class Ledger {
  readonly state: FederationState = emptyFederation();
  readonly messages: Message[] = [];
  readonly texts: string[] = [];
  time = START;

  write<T extends MessageType>(type: T, payload: Payload<T>): string {
    return this.add(sign(type, payload));
  }

  add(message: Message): string {
    assertAdmissible(this.state, message, this.time);
    assertAuthentic(this.state, message);
    const recorded = recordEntry({ seq: this.texts.length, time: this.time, message });
    apply(this.state, recorded);
    this.messages.push(message);
    this.texts.push(recorded.text);
    this.time += 1000;
    return recorded.hash;
  }

  /** What somebody else gets from the stored texts. */
  refolded(): FederationState {
    const folded = emptyFederation();
    for (const text of this.texts) apply(folded, parseEntry(text));
    return folded;
  }

  /** The same history up to entry `count`. */
  upTo(count: number): Ledger {
    const earlier = new Ledger();
    for (const message of this.messages.slice(0, count)) earlier.add(message);
    return earlier;
  }
}

const CHARTER: Payload<'charter'> = {
  v: 1,
  consortium: 'Consortium One',
  origin: 'tallystick.example/one',
  coordinatorKey: keyOf('coordinator'),
  logKey: keyOf('log'),
};
const charter = messageHash('charter', CHARTER);

function planOf(changes: Partial<Plan> = {}): Plan {
  return plan.parse({
    v: 1,
    name: 'spring',
    contract: digest('contract'),
    program: { name: 'fedavg', settings: { stop: { rounds: 2 } } },
    participants: BANKS,
    cohort: { minimum: 2 },
    aggregation: 'plain',
    seed: 'seed',
    ...changes,
  });
}

function invite(bank: ParticipantId, changes: Partial<Payload<'invite'>> = {}): Payload<'invite'> {
  return {
    charter,
    participant: bank,
    tokenHash: digest(tokenOf(bank)),
    expiresAt: START + HOUR,
    ...changes,
  };
}

function enrol(
  bank: ParticipantId,
  inviteHash: string,
  changes: Partial<Payload<'enrol'>> = {},
): Payload<'enrol'> {
  return {
    invite: inviteHash,
    from: bank,
    token: tokenOf(bank),
    identityKey: keyOf(bank),
    witnessKey: keyOf(`witness of ${bank}`),
    agentVersion: '0.1.0',
    ...changes,
  };
}

/** A head of one entry: the fold does not look at its root. */
const HEAD = signHead(CHARTER.origin, 1, sha256(utf8('a root')), seedOf('log'));

function startRun(run: string, roster: readonly ParticipantId[]): Payload<'run-started'> {
  return { run: runId.parse(run), roster: [...roster], witnessKeys: witnessKeys(roster) };
}

/** The id of the sample's run follows from its plan. */
const RUN = runId.parse(messageHash('run-proposed', { charter, plan: planOf() }));

function consent(from: ParticipantId, decision: 'granted' | 'refused' = 'granted'): Payload<'consent'> {
  return { run: RUN, from, decision, reason: '' };
}

function openRound(run: string, parent: string, round: number, attempt: number): Payload<'open-round'> {
  return {
    run: runId.parse(run),
    parent,
    round,
    attempt,
    question: { kind: 'train', hash: digest(`question ${round}`), ring: 'u32', length: 7 },
    metrics: {},
    deadlineAt: START + HOUR,
    head: HEAD,
  };
}

function plainInput(ctx: string, from: ParticipantId, vector = `vector of ${from}`): Payload<'plain-input'> {
  return { ctx, from, ring: 'u32', length: 7, vectorRoot: digest(vector) };
}

function refuseRound(ctx: string, from: ParticipantId): Payload<'refuse-round'> {
  return { ctx, from, code: 'POLICY', reason: 'not this week' };
}

function closeRound(ctx: string, banks: readonly ParticipantId[]): Payload<'close-round'> {
  const survivors = banks.map((bank) => BANKS.indexOf(bank));
  const vectors = banks.map((bank) => [BANKS.indexOf(bank), digest(`vector of ${bank}`)]);
  return {
    ctx,
    survivors,
    survivorsHash: messageHash('survivors', { ctx, vectors }),
    sumRoot: digest('sum'),
  };
}

function cosign(checkpoint: string, from: ParticipantId, head: SignedHead): Payload<'cosign'> {
  const { origin } = CHARTER;
  const signature = signCosignature({ origin, ...head }, 1_800_000, seedOf(`witness of ${from}`));
  return { checkpoint, from, time: 1_800_000, signature };
}

/** The fixture, with the places in it that tests go back to. */
function wholeHistory() {
  const ledger = new Ledger();
  ledger.write('charter', CHARTER);
  for (const bank of BANKS) {
    const invited = ledger.write('invite', invite(bank));
    const enrolled = ledger.write('enrol', enrol(bank, invited));
    ledger.write('admit', { enrol: enrolled, participant: bank });
  }
  const places: Record<string, number> = {};
  const here = (name: string) => (places[name] = ledger.texts.length);
  here('joined');
  const run = runId.parse(ledger.write('run-proposed', { charter, plan: planOf() }));
  here('proposed');
  for (const from of BANKS) ledger.write('consent', consent(from));
  here('consented');
  const started = ledger.write('run-started', startRun(run, BANKS));
  here('started');
  const first = ledger.write('open-round', openRound(run, started, 0, 0));
  here('first');
  ledger.write('plain-input', plainInput(first, ALDER));
  here('answered');
  ledger.write('refuse-round', refuseRound(first, BIRCH));
  here('refused');
  const voided = ledger.write('void-round', { ctx: first, code: 'COHORT', reason: 'too few' });
  here('voided');
  const retry = ledger.write('open-round', openRound(run, voided, 0, 1));
  here('retry');
  ledger.write('plain-input', plainInput(retry, CEDAR));
  ledger.write('plain-input', plainInput(retry, ALDER));
  here('complete');
  const closed = ledger.write('close-round', closeRound(retry, [ALDER, CEDAR]));
  here('closed');
  const second = ledger.write('open-round', openRound(run, closed, 1, 0));
  here('second');
  for (const bank of BANKS) ledger.write('plain-input', plainInput(second, bank));
  const last = ledger.write('close-round', closeRound(second, BANKS));
  here('last');
  const head = signHead(CHARTER.origin, ledger.texts.length, sha256(utf8('the root')), seedOf('log'));
  const offered = ledger.write('checkpoint', { run, parent: last, head });
  here('offered');
  for (const bank of [CEDAR, ALDER]) ledger.write('cosign', cosign(offered, bank, head));
  here('cosigned');
  ledger.write('run-finished', {
    run,
    parent: last,
    checkpoint: offered,
    outcome: 'completed',
    reason: 'done',
    artefact: digest('model'),
    metrics: { auc: 0.75 },
  });
  here('finished');
  return { ledger, places, offered, run, started, first, voided, retry, closed, second, last };
}

const whole = wholeHistory();
const at = (place: string) => whole.ledger.upTo(whole.places[place]!);

/** Another course of events: the run starts without birch. */
function startedWithTwo() {
  const ledger = at('proposed');
  for (const bank of [ALDER, CEDAR]) ledger.write('consent', consent(bank));
  return { ledger, started: ledger.write('run-started', startRun(RUN, [ALDER, CEDAR])) };
}

const refusal = (code: string) => expect.objectContaining({ name: 'FederationError', code }) as Error;

/** `accepted`, or the code of the refusal; a refusal must leave the state as it was. */
function outcomeOf(ledger: Ledger, message: Message, time = ledger.time): string {
  const before = structuredClone(ledger.state);
  try {
    assertAdmissible(ledger.state, message, time);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof FederationError)) throw error;
    return error.code;
  } finally {
    expect(ledger.state).toEqual(before);
  }
}

function offer<T extends MessageType>(ledger: Ledger, type: T, payload: Payload<T>): string {
  return outcomeOf(ledger, sign(type, payload));
}

describe('the sample history', () => {
  test('ends with the run finished, two rounds closed and one void', () => {
    const run = whole.ledger.state.runs.get(whole.run)!;
    expect(run.phase.name).toBe('finished');
    expect(run.roster).toEqual(BANKS);
    expect(
      run.past.map(({ end, open: { payload } }) => [end.outcome, payload.round, payload.attempt]),
    ).toEqual([
      ['void', 0, 0],
      ['closed', 0, 1],
      ['closed', 1, 0],
    ]);
    expect([...run.past[0]!.open.refusals.keys()]).toEqual([1]);
    expect([...whole.ledger.state.participants.values()].map((p) => p.status)).toEqual(
      Array(3).fill('admitted'),
    );
  });

  test('folds from its stored texts to the state it had live', () => {
    expect(whole.ledger.refolded()).toEqual(whole.ledger.state);
  });

  test('has a different state after every entry', () => {
    const states = new Set<string>();
    const folded = emptyFederation();
    const flatten = (_key: string, value: unknown) => (value instanceof Map ? [...value] : value);
    for (const text of whole.ledger.texts) {
      apply(folded, parseEntry(text));
      states.add(JSON.stringify({ ...folded, size: 0, lastTime: 0 }, flatten));
    }
    expect(states.size).toBe(whole.ledger.texts.length);
  });
});

/**
 * What becomes of each message of the history, by the place at which it is offered: an outcome holds from its
 * place, which is a number of entries or a name (and so many entries further), up to the next one.
 */
const TIMELINES: [what: string, type: MessageType, timeline: string][] = [
  ['charter', 'charter', '0 accepted, 1 STATE'],
  ...BANKS.flatMap((bank, i): [string, MessageType, string][] => {
    const n = 1 + 3 * i;
    return [
      [`invite of ${bank}`, 'invite', `0 STATE, 1 accepted, ${n + 1} REPLAY, ${n + 3} STATE`],
      [`enrol of ${bank}`, 'enrol', `0 STATE, 1 INVITATION, ${n + 1} accepted, ${n + 2} INVITATION`],
      [`admit of ${bank}`, 'admit', `0 STATE, 1 NOT_FOUND, ${n + 2} accepted, ${n + 3} REPLAY`],
    ];
  }),
  ['proposal', 'run-proposed', '0 STATE, 1 UNKNOWN_PARTICIPANT, joined accepted, proposed REPLAY'],
  ...BANKS.map((bank, i): [string, MessageType, string] => [
    `consent of ${bank}`,
    'consent',
    `0 STATE, 1 NOT_FOUND, proposed accepted, proposed+${i + 1} REPLAY, started LATE`,
  ]),
  ['start', 'run-started', '0 STATE, 1 NOT_FOUND, proposed STATE, consented accepted, started STATE'],
  ['opening', 'open-round', '0 STATE, 1 NOT_FOUND, proposed STATE, started accepted, first STATE'],
  ['input of alder', 'plain-input', '0 STATE, 1 STALE, first accepted, first+1 REPLAY, voided LATE'],
  ['refusal of birch', 'refuse-round', '0 STATE, 1 STALE, first accepted, first+2 REPLAY, voided LATE'],
  ['voiding', 'void-round', '0 STATE, 1 STALE, first accepted, voided LATE'],
  [
    'opening of the retry',
    'open-round',
    '0 STATE, 1 NOT_FOUND, proposed STATE, voided accepted, retry STATE',
  ],
  [
    'input of cedar to the retry',
    'plain-input',
    '0 STATE, 1 STALE, retry accepted, retry+1 REPLAY, closed LATE',
  ],
  [
    'input of alder to the retry',
    'plain-input',
    '0 STATE, 1 STALE, retry accepted, retry+2 REPLAY, closed LATE',
  ],
  ['closing of the retry', 'close-round', '0 STATE, 1 STALE, retry STATE, retry+2 accepted, closed LATE'],
  ['opening of round 1', 'open-round', '0 STATE, 1 NOT_FOUND, proposed STATE, closed accepted, second STATE'],
  ...BANKS.map((bank, i): [string, MessageType, string] => [
    `input of ${bank} to round 1`,
    'plain-input',
    `0 STATE, 1 STALE, second accepted, second+${i + 1} REPLAY, last LATE`,
  ]),
  ['closing of round 1', 'close-round', '0 STATE, 1 STALE, second STATE, second+3 accepted, last LATE'],
  ['checkpoint', 'checkpoint', '0 STATE, 1 NOT_FOUND, proposed STATE, last accepted, offered STATE'],
  ['cosignature of cedar', 'cosign', '0 STATE, 1 NOT_FOUND, offered accepted, offered+1 REPLAY'],
  ['cosignature of alder', 'cosign', '0 STATE, 1 NOT_FOUND, offered accepted, offered+2 REPLAY'],
  [
    'end',
    'run-finished',
    '0 STATE, 1 NOT_FOUND, proposed STATE, last QUORUM, cosigned accepted, finished STATE',
  ],
];

function expectedAt(place: number, timeline: string): string {
  const steps = timeline.split(', ').map((step) => /^(?:(\d+)|([a-z]+)(?:\+(\d))?) (\w+)$/.exec(step)!);
  const from = (step: RegExpExecArray) => Number(step[1] ?? whole.places[step[2]!]! + Number(step[3] ?? 0));
  return steps.findLast((step) => from(step) <= place)![4]!;
}

describe('every message of the history at every place of the history', () => {
  test('the table names each of them once, in order', () => {
    expect(TIMELINES.map(([, type]) => type)).toEqual(whole.ledger.messages.map(({ type }) => type));
  });

  test.each(TIMELINES.map(([what, , timeline], index) => ({ what, timeline, index })))(
    'the $what is accepted where it belongs and refused elsewhere for the right reason',
    ({ timeline, index }) => {
      const message = whole.ledger.messages[index]!;
      const ledger = new Ledger();
      for (let place = 0; place <= whole.ledger.messages.length; place++) {
        expect(outcomeOf(ledger, message), `after ${place} entries`).toBe(expectedAt(place, timeline));
        const next = whole.ledger.messages[place];
        if (next !== undefined) ledger.add(next);
      }
    },
  );
});

describe('who signed', () => {
  const indexed = whole.ledger.messages.map((message, index) => ({ type: message.type, message, index }));
  const oneOfEach = [...new Map(indexed.map((entry) => [entry.type, entry])).values()];

  test('the sample has fifteen types of message, five of them for banks', () => {
    expect(oneOfEach).toHaveLength(15);
    const ofBanks = new Set(whole.ledger.messages.filter(isBankMessage).map(({ type }) => type));
    expect(ofBanks).toEqual(new Set(['enrol', 'consent', 'plain-input', 'refuse-round', 'cosign']));
  });

  test.each(oneOfEach)('a $type signed by somebody else does not pass', ({ message, index }) => {
    const ledger = whole.ledger.upTo(index);
    expect(() => assertAuthentic(ledger.state, message)).not.toThrow();
    for (const author of ['coordinator', ...BANKS, 'log', 'stranger']) {
      if (author === authorOf(message.payload)) continue;
      const forged = sign(message.type, message.payload as never, author);
      expect(() => assertAuthentic(ledger.state, forged), author).toThrow(refusal('SIG'));
    }
  });

  test.each(oneOfEach)('a $type with the signature over another payload does not pass', (entry) => {
    const { sig } = sign(entry.type, { ...entry.message.payload, extra: 1 } as never);
    const changed = { ...entry.message, sig } as Message;
    expect(() => assertAuthentic(whole.ledger.upTo(entry.index).state, changed)).toThrow(refusal('SIG'));
  });

  test('a bank that has not been admitted has no key to sign with', () => {
    const { state } = whole.ledger.upTo(6); // birch is enrolled, cedar unknown
    for (const from of [BIRCH, CEDAR]) {
      const message = sign('consent', consent(from));
      expect(() => assertAuthentic(state, message)).toThrow(refusal('UNKNOWN_PARTICIPANT'));
    }
  });
});

describe('time', () => {
  const opening = openRound(whole.run, whole.started, 0, 0);

  test('may stand still but never goes back', () => {
    const ledger = at('started');
    expect(outcomeOf(ledger, sign('open-round', opening), ledger.state.lastTime)).toBe('accepted');
    expect(outcomeOf(ledger, sign('open-round', opening), ledger.state.lastTime - 1)).toBe('STATE');
  });

  test('of a deadline must lie ahead', () => {
    const ledger = at('started');
    expect(offer(ledger, 'open-round', { ...opening, deadlineAt: ledger.time + 1 })).toBe('accepted');
    expect(offer(ledger, 'open-round', { ...opening, deadlineAt: ledger.time })).toBe('STATE');
  });
});

describe('membership', () => {
  const chartered = () => whole.ledger.upTo(1);

  test('a charter with a weak key, or one key for two purposes, begins nothing', () => {
    const weak = toBase64Url(Uint8Array.of(1, ...new Uint8Array(31)));
    expect(offer(new Ledger(), 'charter', { ...CHARTER, coordinatorKey: weak })).toBe('WEAK_KEY');
    expect(offer(new Ledger(), 'charter', { ...CHARTER, logKey: weak })).toBe('WEAK_KEY');
    expect(offer(new Ledger(), 'charter', { ...CHARTER, logKey: CHARTER.coordinatorKey })).toBe('STATE');
  });

  test('an invitation or a proposal under another charter is refused', () => {
    const other = digest('another charter');
    expect(offer(chartered(), 'invite', invite(ALDER, { charter: other }))).toBe('STATE');
    expect(offer(at('joined'), 'run-proposed', { charter: other, plan: planOf() })).toBe('STATE');
  });

  test('an invitation is good to its last millisecond and not after', () => {
    const ledger = chartered();
    const message = sign(
      'enrol',
      enrol(ALDER, ledger.write('invite', invite(ALDER, { expiresAt: START + 5000 }))),
    );
    expect(outcomeOf(ledger, message, START + 5000)).toBe('accepted');
    expect(outcomeOf(ledger, message, START + 5001)).toBe('INVITATION');
  });

  test('an invitation that would be expired at once is not recorded', () => {
    const ledger = chartered();
    expect(offer(ledger, 'invite', invite(ALDER, { expiresAt: ledger.time }))).toBe('STATE');
    expect(offer(ledger, 'invite', invite(ALDER, { expiresAt: ledger.time + 1 }))).toBe('accepted');
  });

  test('a newer invitation of the same bank takes the place of the older one', () => {
    const token = 'a second token for alder';
    const ledger = chartered();
    const older = ledger.write('invite', invite(ALDER));
    const newer = ledger.write('invite', invite(ALDER, { tokenHash: digest(token) }));
    expect(offer(ledger, 'enrol', enrol(ALDER, older))).toBe('INVITATION');
    expect(offer(ledger, 'enrol', enrol(ALDER, newer))).toBe('INVITATION');
    expect(offer(ledger, 'enrol', enrol(ALDER, newer, { token }))).toBe('accepted');
  });

  test('a newer invitation of another bank leaves the older one alone', () => {
    const ledger = chartered();
    const invited = ledger.write('invite', invite(ALDER));
    ledger.write('invite', invite(BIRCH));
    expect(offer(ledger, 'enrol', enrol(ALDER, invited))).toBe('accepted');
  });

  test('an enrolment with a wrong token, in another name or for no invitation is refused', () => {
    const ledger = chartered();
    const invited = ledger.write('invite', invite(ALDER));
    expect(offer(ledger, 'enrol', enrol(ALDER, invited, { token: `${tokenOf(ALDER)}!` }))).toBe('INVITATION');
    expect(offer(ledger, 'enrol', enrol(BIRCH, invited, { token: tokenOf(ALDER) }))).toBe('INVITATION');
    expect(offer(ledger, 'enrol', enrol(ALDER, digest('no such invitation')))).toBe('INVITATION');
  });

  test('one token does not invite two banks', () => {
    const ledger = chartered();
    ledger.write('invite', invite(ALDER));
    expect(offer(ledger, 'invite', invite(BIRCH, { tokenHash: digest(tokenOf(ALDER)) }))).toBe('REPLAY');
  });

  test('one identity key does not serve two banks, and one of small order serves none', () => {
    const ledger = whole.ledger.upTo(4); // alder is in
    const invited = ledger.write('invite', invite(BIRCH));
    const weak = toBase64Url(new Uint8Array(32));
    expect(offer(ledger, 'enrol', enrol(BIRCH, invited, { identityKey: keyOf(ALDER) }))).toBe('REPLAY');
    expect(offer(ledger, 'enrol', enrol(BIRCH, invited, { identityKey: weak }))).toBe('WEAK_KEY');
  });

  test('admission names the enrolment whose fingerprint was compared', () => {
    const ledger = whole.ledger.upTo(3);
    expect(offer(ledger, 'admit', { enrol: digest('another'), participant: ALDER })).toBe('NOT_FOUND');
  });

  test(`a consortium takes ${LIMITS.participantsMax} banks and not one more`, () => {
    const ledger = chartered();
    for (let i = 0; i < LIMITS.participantsMax - 1; i++) {
      const id = participantId.parse(`bank-${i}`);
      const identityKey = `key ${i}`;
      ledger.state.participants.set(id, {
        ...{ id, identityKey, witnessKey: `witness ${i}`, enrol: '' },
        ...{ status: 'admitted', enrolledAt: 0, earlierKeys: [], admitted: undefined, revoked: undefined },
      });
    }
    const first = ledger.write('invite', invite(ALDER));
    const second = ledger.write('invite', invite(BIRCH));
    ledger.write('enrol', enrol(ALDER, first));
    expect(offer(ledger, 'enrol', enrol(BIRCH, second))).toBe('TOO_LARGE');
  });
});

describe('consent and start', () => {
  test('a plan that asks a bank which is enrolled but not admitted is not proposed', () => {
    const enrolled = whole.ledger.upTo(9);
    expect(enrolled.state.participants.get(CEDAR)?.status).toBe('enrolled');
    expect(offer(enrolled, 'run-proposed', { charter, plan: planOf() })).toBe('UNKNOWN_PARTICIPANT');
    const two = planOf({ participants: [ALDER, BIRCH] });
    expect(offer(enrolled, 'run-proposed', { charter, plan: two })).toBe('accepted');
  });

  test('a plan can be run again under another name or seed only', () => {
    const ledger = at('finished');
    expect(offer(ledger, 'run-proposed', { charter, plan: planOf() })).toBe('REPLAY');
    expect(offer(ledger, 'run-proposed', { charter, plan: planOf({ seed: 'another' }) })).toBe('accepted');
    expect(offer(ledger, 'run-proposed', { charter, plan: planOf({ name: 'autumn' }) })).toBe('accepted');
  });

  test('a bank that the plan does not ask has no say', () => {
    const ledger = at('joined');
    const two = planOf({ participants: [ALDER, CEDAR] });
    const run = runId.parse(ledger.write('run-proposed', { charter, plan: two }));
    expect(offer(ledger, 'consent', { ...consent(BIRCH), run })).toBe('WRONG_SENDER');
    expect(offer(ledger, 'consent', { ...consent(CEDAR), run })).toBe('accepted');
  });

  test('a bank decides once: neither the same nor the other decision is taken again', () => {
    const ledger = at('proposed');
    ledger.write('consent', consent(ALDER, 'refused'));
    expect(offer(ledger, 'consent', consent(ALDER, 'refused'))).toBe('REPLAY');
    expect(offer(ledger, 'consent', consent(ALDER))).toBe('DUPLICATE'); // REPLAY is told as accepted
  });

  test('the roster is exactly the banks that granted, in order', () => {
    const ledger = at('proposed');
    ledger.write('consent', consent(CEDAR));
    ledger.write('consent', consent(BIRCH, 'refused'));
    ledger.write('consent', consent(ALDER));
    for (const roster of [BANKS, [ALDER], [CEDAR, ALDER], [ALDER, BIRCH], [ALDER, CEDAR, CEDAR]]) {
      expect(offer(ledger, 'run-started', startRun(whole.run, roster))).toBe('STATE');
    }
    expect(offer(ledger, 'run-started', startRun(whole.run, [ALDER, CEDAR]))).toBe('accepted');
  });

  test('a run with fewer consents than its cohort needs does not start', () => {
    const ledger = at('proposed');
    ledger.write('consent', consent(BIRCH));
    expect(offer(ledger, 'run-started', startRun(whole.run, [BIRCH]))).toBe('COHORT');
  });

  test('a bank that decides after the start is late', () => {
    const { ledger } = startedWithTwo();
    expect(offer(ledger, 'consent', consent(BIRCH))).toBe('LATE');
  });
});

describe('a round', () => {
  test.each([
    ['another parent', { parent: digest('other') }],
    ['a round ahead', { round: 1 }],
    ['an attempt ahead', { attempt: 1 }],
  ])('is not opened with %s', (_what, changes) => {
    const opening = { ...openRound(whole.run, whole.started, 0, 0), ...changes };
    expect(offer(at('started'), 'open-round', opening)).toBe('STATE');
  });

  test.each([
    ['the same attempt', 0, 0],
    ['an attempt skipped', 0, 2],
    ['the next round', 1, 0],
    ['the next round and attempt', 1, 1],
  ])('after a void one is not opened with %s', (_what, round, attempt) => {
    expect(offer(at('voided'), 'open-round', openRound(whole.run, whole.voided, round, attempt))).toBe(
      'STATE',
    );
  });

  test('takes one update from a bank: the same again is a replay, another one a duplicate', () => {
    const ledger = at('answered');
    expect(offer(ledger, 'plain-input', plainInput(whole.first, ALDER))).toBe('REPLAY');
    expect(offer(ledger, 'plain-input', plainInput(whole.first, ALDER, 'better'))).toBe('DUPLICATE');
  });

  test('takes either an update or a refusal from a bank', () => {
    const ledger = at('refused');
    expect(offer(ledger, 'plain-input', plainInput(whole.first, BIRCH))).toBe('DUPLICATE');
    expect(offer(ledger, 'refuse-round', refuseRound(whole.first, ALDER))).toBe('DUPLICATE');
    const otherWords = { ...refuseRound(whole.first, BIRCH), reason: 'in other words' };
    expect(offer(ledger, 'refuse-round', otherWords)).toBe('REPLAY');
    expect(offer(ledger, 'refuse-round', refuseRound(whole.first, CEDAR))).toBe('accepted');
  });

  test.each([
    ['a word too many', { length: 8 }],
    ['a word too few', { length: 6 }],
    ['the other ring', { ring: 'u64' }],
  ] as const)('takes no update with %s', (_what, changes) => {
    const input = { ...plainInput(whole.first, ALDER), ...changes };
    expect(offer(at('first'), 'plain-input', input)).toBe('SHAPE');
  });

  test('that the ledger does not know is stale, whatever names it', () => {
    const ctx = digest('no round');
    const ledger = at('first');
    expect(offer(ledger, 'plain-input', plainInput(ctx, ALDER))).toBe('STALE');
    expect(offer(ledger, 'refuse-round', refuseRound(ctx, ALDER))).toBe('STALE');
    expect(offer(ledger, 'close-round', closeRound(ctx, BANKS))).toBe('STALE');
    expect(offer(ledger, 'void-round', { ctx, code: 'COHORT', reason: '' })).toBe('STALE');
  });

  test('has no place for a bank that is not on the roster, and counts the others by it', () => {
    const { ledger, started } = startedWithTwo();
    const ctx = ledger.write('open-round', openRound(whole.run, started, 0, 0));
    expect(offer(ledger, 'plain-input', plainInput(ctx, BIRCH))).toBe('WRONG_SENDER');
    expect(offer(ledger, 'refuse-round', refuseRound(ctx, BIRCH))).toBe('WRONG_SENDER');
    ledger.write('plain-input', plainInput(ctx, CEDAR));
    const { phase } = ledger.state.runs.get(whole.run)!;
    expect(phase.name === 'collecting' && [...phase.open.inputs.keys()]).toEqual([1]);
  });

  test('is closed over exactly the banks and vectors that were accepted', () => {
    const ledger = at('complete');
    const right = closeRound(whole.retry, [ALDER, CEDAR]);
    expect(offer(ledger, 'close-round', right)).toBe('accepted');
    for (const survivors of [[0], [2], [0, 1], [0, 1, 2], [2, 0], [0, 2, 2]]) {
      expect(offer(ledger, 'close-round', { ...right, survivors }), String(survivors)).toBe('STATE');
    }
    const vectors = [
      [0, digest('vector of alder')],
      [2, digest('vector of birch')],
    ];
    const otherVector = messageHash('survivors', { ctx: whole.retry, vectors });
    const otherRound = closeRound(whole.first, [ALDER, CEDAR]).survivorsHash;
    expect(offer(ledger, 'close-round', { ...right, survivorsHash: otherVector })).toBe('STATE');
    expect(offer(ledger, 'close-round', { ...right, survivorsHash: otherRound })).toBe('STATE');
  });

  test('with fewer answers than the cohort needs is not closed', () => {
    expect(offer(at('answered'), 'close-round', closeRound(whole.first, [ALDER]))).toBe('COHORT');
  });

  test('that was voided is followed by another attempt and remembers why, a closed one by the next round', () => {
    const phaseAt = (place: string) => at(place).state.runs.get(whole.run)!.phase;
    const ready = { name: 'ready', round: 0, attempt: 1, parent: whole.voided };
    const { end } = at('voided').state.runs.get(whole.run)!.past.at(-1)!;
    expect(end.payload).toMatchObject({ code: 'COHORT' });
    expect(phaseAt('voided')).toMatchObject(ready);
    expect(phaseAt('closed')).toMatchObject({ name: 'ready', round: 1, attempt: 0, parent: whole.closed });
  });
});

describe('the end of a run', () => {
  function end(outcome: 'completed' | 'stopped' | 'failed', parent: string): Payload<'run-finished'> {
    const model = outcome === 'completed' ? { artefact: digest('model') } : { code: 'STOPPED' };
    return { run: whole.run, parent, outcome, reason: '', metrics: {}, ...model };
  }

  test.each([
    ['proposed', whole.run],
    ['started', whole.started],
    ['answered', whole.first],
    ['voided', whole.voided],
    ['closed', whole.closed],
  ])('as stopped or failed is possible when it is %s', (place, parent) => {
    expect(offer(at(place), 'run-finished', end('stopped', parent))).toBe('accepted');
    expect(offer(at(place), 'run-finished', end('failed', parent))).toBe('accepted');
    expect(offer(at(place), 'run-finished', end('stopped', digest('other')))).toBe('STATE');
  });

  test('as completed is possible between rounds only, and with a model', () => {
    expect(offer(at('proposed'), 'run-finished', end('completed', whole.run))).toBe('STATE');
    expect(offer(at('retry'), 'run-finished', end('completed', whole.retry))).toBe('STATE');
    const final = { ...end('completed', whole.last), checkpoint: whole.offered };
    expect(offer(at('cosigned'), 'run-finished', final)).toBe('accepted');
    const { artefact: _model, ...bare } = final;
    expect(offer(at('cosigned'), 'run-finished', bare)).toBe('STATE');
  });

  test('as completed is possible under a checkpoint that a quorum has cosigned, and not before', () => {
    const final = { ...end('completed', whole.last), checkpoint: whole.offered };
    for (const cosigned of [0, 1]) {
      const ledger = whole.ledger.upTo(whole.places['offered']! + cosigned);
      expect(offer(ledger, 'run-finished', final)).toBe('QUORUM');
    }
    expect(offer(at('cosigned'), 'run-finished', { ...final, checkpoint: digest('other') })).toBe('QUORUM');
    const { checkpoint: _none, ...without } = final;
    expect(offer(at('cosigned'), 'run-finished', without)).toBe('QUORUM');
    expect(offer(at('closed'), 'run-finished', end('completed', whole.closed))).toBe('QUORUM');
  });

  test('is final', () => {
    for (const parent of [whole.run, whole.last]) {
      expect(offer(at('finished'), 'run-finished', end('stopped', parent))).toBe('STATE');
    }
    const stopped = at('retry');
    stopped.write('run-finished', end('stopped', whole.retry));
    expect(offer(stopped, 'plain-input', plainInput(whole.retry, ALDER))).toBe('LATE');
    expect(offer(stopped, 'close-round', closeRound(whole.retry, [ALDER]))).toBe('LATE');
    expect(offer(stopped, 'void-round', { ctx: whole.retry, code: 'COHORT', reason: '' })).toBe('LATE');
    expect(offer(stopped, 'open-round', openRound(whole.run, whole.retry, 1, 0))).toBe('STATE');
  });

  test('leaves another run alone', () => {
    const ledger = at('first');
    const other = runId.parse(ledger.write('run-proposed', { charter, plan: planOf({ name: 'autumn' }) }));
    ledger.write('run-finished', { ...end('stopped', other), run: other });
    expect(ledger.state.runs.get(other)!.phase.name).toBe('finished');
    expect(ledger.state.runs.get(whole.run)!.phase.name).toBe('collecting');
    expect(offer(ledger, 'plain-input', plainInput(whole.first, ALDER))).toBe('accepted');
  });
});

describe('random sequences of messages', () => {
  const TRANSITIONS = new Set([
    'run-proposed: nothing → proposed',
    'run-started: proposed → ready',
    'open-round: ready → collecting',
    'close-round: collecting → ready',
    'void-round: collecting → ready',
    'run-finished: proposed → finished',
    'run-finished: ready → finished',
    'run-finished: collecting → finished',
  ]);

  type Choice = readonly [type: MessageType, bank: ParticipantId, detail: number, wrong: boolean];

  const types: MessageType[] = ['invite', 'enrol', 'admit', 'run-proposed', 'consent', 'run-started'];
  const roundTypes: MessageType[] = ['open-round', 'close-round', 'refuse-round', 'void-round'];
  const inputs = Array<MessageType>(6).fill('plain-input');
  const choice: fc.Arbitrary<Choice> = fc.tuple(
    fc.constantFrom(...types, ...types, ...roundTypes, ...roundTypes, ...inputs, 'run-finished' as const),
    fc.constantFrom(...BANKS),
    fc.nat({ max: 5 }),
    fc.nat({ max: 5 }).map((n) => n === 0),
  );

  /** A message that is often the next one, or, when `wrong`, one that names something else than it should. */
  function compose({ state }: Ledger, [type, bank, detail, wrong]: Choice): Message {
    const someBank = wrong ? BANKS[detail % 3]! : bank;
    const runs = [...state.runs.values()];
    const run = runs[detail % Math.max(1, runs.length)];
    const id = runId.parse(run?.id ?? digest('no run'));
    const open = run?.phase.name === 'collecting' ? run.phase.open : undefined;
    const ready = run?.phase.name === 'ready' ? run.phase : { parent: id, round: 0, attempt: 0 };
    const ctx = wrong ? ready.parent : (open?.hash ?? [...state.roundRuns.keys()].at(-1) ?? digest('none'));
    switch (type) {
      case 'invite':
        return sign(type, invite(bank, wrong ? { tokenHash: digest(`token ${detail}`) } : {}));
      case 'enrol': {
        const invited = state.invitations.get(bank);
        return sign(type, enrol(someBank, invited?.hash ?? digest('none')));
      }
      case 'admit':
        return sign(type, {
          enrol: state.participants.get(bank)?.enrol ?? digest('none'),
          participant: someBank,
        });
      case 'run-proposed': {
        const participants = wrong ? BANKS.slice(0, 2) : BANKS;
        return sign(type, { charter, plan: planOf({ name: `run ${detail % 3}`, participants }) });
      }
      case 'consent':
        return sign(type, { ...consent(bank, wrong ? 'refused' : 'granted'), run: id });
      case 'run-started': {
        const granted = BANKS.filter((b) => run?.consents.get(b)?.decision === 'granted');
        return sign(type, startRun(id, wrong || granted.length === 0 ? [bank] : granted));
      }
      case 'open-round':
        return sign(type, openRound(id, wrong ? ctx : ready.parent, ready.round, ready.attempt));
      case 'plain-input':
        return sign(type, plainInput(ctx, bank, `vector ${detail % 2}`));
      case 'refuse-round':
        return sign(type, refuseRound(ctx, bank));
      case 'close-round': {
        const inputs = [...(open?.inputs ?? [])].sort(([a], [b]) => a - b);
        const survivorsHash = messageHash('survivors', {
          ctx,
          vectors: inputs.map(([i, v]) => [i, v.vectorRoot]),
        });
        const survivors = wrong || inputs.length === 0 ? [detail % 3] : inputs.map(([index]) => index);
        return sign(type, { ctx, survivors, survivorsHash, sumRoot: digest('sum') });
      }
      case 'void-round':
        return sign(type, { ctx, code: 'COHORT', reason: '' });
      default: {
        const outcome = wrong ? 'completed' : 'stopped';
        const end = {
          run: id,
          parent: open?.hash ?? ready.parent,
          outcome,
          reason: '',
          metrics: {},
        } as const;
        return sign('run-finished', { ...end, artefact: digest('model') });
      }
    }
  }

  test('change a phase by the legal transitions only, all of them, and nothing when they are refused', () => {
    const seen = new Set<string>();
    const starts = fc.constantFrom(...['joined', 'consented', 'retry'].map((name) => whole.places[name]!), 1);
    fc.assert(
      fc.property(starts, fc.array(choice, { minLength: 20, maxLength: 70 }), (start, choices) => {
        const ledger = whole.ledger.upTo(start);
        for (const chosen of choices) {
          const message = compose(ledger, chosen);
          const phases = new Map([...ledger.state.runs].map(([id, run]) => [id, run.phase.name]));
          if (outcomeOf(ledger, message) !== 'accepted') continue;
          ledger.add(message);
          for (const [id, run] of ledger.state.runs) {
            const from = phases.get(id) ?? 'nothing';
            if (from !== run.phase.name) seen.add(`${message.type}: ${from} → ${run.phase.name}`);
          }
        }
        expect(ledger.refolded()).toEqual(ledger.state);
      }),
      { numRuns: 80, seed: 20_260_101 },
    );
    expect(seen).toEqual(TRANSITIONS);
  });
});
