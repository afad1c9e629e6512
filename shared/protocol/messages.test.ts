import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { BANK_MESSAGES, isBankMessage, parseMessage, type MessageType } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import { FEED_TYPES } from '#shared/protocol/socket-events.ts';

const HASH = 'a'.repeat(64);
const KEY = `${'k'.repeat(42)}A`;
const SIG = `${'s'.repeat(85)}A`;
const QUESTION = { kind: 'train', hash: HASH, ring: 'u32', length: 7 };
const PLAN = plan.parse({
  v: 1,
  name: 'spring',
  contract: HASH,
  program: { name: 'fedavg', settings: { stop: { rounds: 3 } } },
  participants: ['alder', 'birch'],
  cohort: { minimum: 2 },
  aggregation: 'plain',
  seed: 's',
});

const HEAD = { size: 1, root: HASH, signature: SIG };

/** One valid payload of each type. */
const PAYLOADS: Record<MessageType, Record<string, unknown>> = {
  charter: {
    v: 1,
    consortium: 'One',
    origin: 'tallystick.example/one',
    coordinatorKey: KEY,
    logKey: KEY,
    leastRetentionDays: 90,
  },
  invite: { charter: HASH, participant: 'alder', tokenHash: HASH, expiresAt: 5, by: 'anna' },
  enrol: {
    invite: HASH,
    from: 'alder',
    token: 't'.repeat(20),
    identityKey: KEY,
    witnessKey: KEY,
    agentVersion: '0.1.0',
  },
  admit: { enrol: HASH, participant: 'alder', by: 'anna' },
  'rotate-key': { charter: HASH, from: 'alder', identityKey: KEY, witnessKey: KEY, proof: SIG },
  revoke: { charter: HASH, participant: 'alder', reason: '', by: 'anna' },
  'rotate-log-key': { charter: HASH, logKey: KEY, endorsement: SIG, proof: SIG, by: 'anna' },
  'rotate-coordinator-key': { charter: HASH, coordinatorKey: KEY, proof: SIG, by: 'anna' },
  retention: { charter: HASH, runs: [HASH], reason: '', by: 'anna' },
  incident: { charter: HASH, reason: 'restored from a backup', by: 'anna' },
  token: { charter: HASH, change: 'added', name: 'anna', role: 'operator', expiresAt: 5, by: 'anna' },
  'run-proposed': { charter: HASH, plan: PLAN, by: 'anna' },
  consent: { run: HASH, from: 'alder', decision: 'granted', reason: '' },
  withdraw: { run: HASH, from: 'alder', reason: 'why' },
  'run-started': {
    ...{ run: HASH, roster: ['alder', 'birch'] },
    ...{ identityKeys: [KEY, KEY, KEY], witnessKeys: [KEY, KEY], by: 'anna' },
  },
  'open-round': {
    run: HASH,
    parent: HASH,
    round: 0,
    attempt: 0,
    question: QUESTION,
    metrics: { auc: 0.75 },
    deadlineAt: 9,
    head: HEAD,
    keys: { session: HASH, slot: 0 },
  },
  'plain-input': { ctx: HASH, from: 'alder', ring: 'u64', length: 7, vectorRoot: HASH },
  'refuse-round': { ctx: HASH, from: 'alder', code: 'POLICY', reason: '' },
  'close-round': { ctx: HASH, survivors: [0, 2], survivorsHash: HASH, sumRoot: HASH },
  'void-round': { ctx: HASH, code: 'COHORT', reason: '' },
  'open-session': {
    run: HASH,
    parent: HASH,
    suite: 'x25519-hkdf256-aes256ctr-gf256',
    nonce: 'n'.repeat(21) + 'A',
    participants: ['alder', 'birch', 'cedar'],
    thresholds: { colluders: 1, quorum: 3, threshold: 2, minimum: 3 },
    slots: 2,
    deadlineAt: 9,
  },
  'advertise-keys': {
    session: HASH,
    from: 'alder',
    channelKey: KEY,
    slotKeys: [KEY],
    seedCommitments: [KEY],
  },
  'share-keys': {
    session: HASH,
    roster: HASH,
    from: 'alder',
    shareRoot: HASH,
    cipherRoot: HASH,
    table: HASH,
  },
  'seal-session': { session: HASH, roster: HASH, dealers: [0, 1, 2], shareRoots: [HASH, HASH, HASH] },
  complain: { session: HASH, from: 'alder', against: 2, code: 'SHARE_CT', reason: '' },
  'void-session': { session: HASH, code: 'COHORT', reason: '' },
  'masked-input': { ctx: HASH, from: 'alder', slot: 0, ring: 'u64', length: 7, vectorRoot: HASH },
  'fix-survivors': {
    ctx: HASH,
    slot: 0,
    survivors: [0, 2],
    survivorsHash: HASH,
  },
  'consistency-check': { ctx: HASH, slot: 0, from: 'alder', survivors: HASH },
  unmask: { ctx: HASH, slot: 0, from: 'alder', survivors: HASH, shares: ['s'.repeat(44)] },
  'abort-round': { ctx: HASH, slot: 0, from: 'alder', query: HASH },
  'confirm-sum': { ctx: HASH, from: 'alder', sumRoot: HASH },
  blame: {
    run: HASH,
    culprit: 'alder',
    code: 'SHARE_BAD',
    reason: '',
    evidence: { ctx: HASH, revealers: [0] },
  },
  checkpoint: { run: HASH, parent: HASH, head: HEAD },
  cosign: { checkpoint: HASH, from: 'alder', time: 5, signature: SIG },
  'run-finished': {
    run: HASH,
    parent: HASH,
    checkpoint: HASH,
    outcome: 'completed',
    code: 'STOPPED',
    reason: '',
    artefact: HASH,
    metrics: {},
    by: 'anna',
  },
};
const OPTIONAL = new Set([
  'charter.leastRetentionDays',
  'withdraw.reason',
  'run-finished.code',
  'run-finished.artefact',
  'run-finished.checkpoint',
  'run-started.identityKeys',
  'open-round.keys',
]);
/** Records that take any key. */
const OPEN = new Set(['metrics', 'evidence']);
const TYPES = Object.keys(PAYLOADS) as MessageType[];
const messageOf = (type: string, payload: unknown) => ({ type, payload, sig: SIG });

function refusalOf(value: unknown): FederationError {
  try {
    parseMessage(value);
  } catch (error) {
    if (error instanceof FederationError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(value)}`);
}

function refuses(type: MessageType, changes: object): void {
  const refusal = refusalOf(messageOf(type, { ...PAYLOADS[type], ...changes }));
  expect(refusal.code).toBe('SCHEMA');
  expect(refusal.message).toContain(`payload.${Object.keys(changes)[0]}`);
}

describe.each(TYPES)('a message of type %s', (type) => {
  const payload = PAYLOADS[type];
  const keys = Object.keys(payload);

  test('is read as it is', () => {
    expect(parseMessage(messageOf(type, payload))).toEqual(messageOf(type, payload));
  });

  test('needs each of its fields, and the error names the missing one', () => {
    for (const key of keys) {
      const { [key]: _missing, ...rest } = payload;
      if (key === 'by' || OPTIONAL.has(`${type}.${key}`)) {
        expect(parseMessage(messageOf(type, rest)).payload).toEqual(rest);
      } else {
        const refusal = refusalOf(messageOf(type, rest));
        expect([refusal.code, refusal.message]).toEqual([
          'SCHEMA',
          expect.stringContaining(`payload.${key}`),
        ]);
      }
    }
  });

  test('refuses every field that is something else, without repeating it', () => {
    const marker = 'MARKER-of-a-secret-value';
    for (const key of keys) {
      for (const value of [null, [marker], { marker }, marker.repeat(30), -1, 0.5, Number.NaN, true]) {
        if (OPEN.has(key) && typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
        const refusal = refusalOf(messageOf(type, { ...payload, [key]: value }));
        expect(refusal.code, key).toBe('SCHEMA');
        expect(refusal.message, key).not.toContain(marker);
      }
    }
  });

  test('refuses keys nobody knows, at each of its levels', () => {
    expect(refusalOf({ ...messageOf(type, payload), zone: 1 }).code).toBe('SCHEMA');
    expect(refusalOf(messageOf(type, { ...payload, zone: 1 })).code).toBe('SCHEMA');
    for (const key of keys) {
      const inner = payload[key];
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner) || OPEN.has(key)) continue;
      expect(refusalOf(messageOf(type, { ...payload, [key]: { ...inner, zone: 1 } })).code).toBe('SCHEMA');
    }
  });

  test('refuses a signature that is missing or malformed', () => {
    for (const sig of [undefined, '', SIG.slice(1), `${SIG}A`, `${SIG.slice(0, -1)}B`, null]) {
      expect(refusalOf({ type, payload, sig }).message).toContain('sig');
    }
  });

  test('is not taken for one of another type', () => {
    for (const other of TYPES.filter((t) => t !== type)) {
      expect(refusalOf(messageOf(other, payload)).code).toBe('SCHEMA');
    }
  });
});

describe('every list, text and number', () => {
  const banks = Array.from(
    { length: LIMITS.participantsMax + 1 },
    (_, i) => `b${String(i).padStart(4, '0')}`,
  );
  const indices = Array.from({ length: LIMITS.participantsMax }, (_, i) => i);

  test('of a valid message may be as large as its limit', () => {
    const largest: [MessageType, object][] = [
      ['run-started', { roster: banks.slice(1) }],
      ['close-round', { survivors: indices }],
      ['consent', { reason: 'r'.repeat(500) }],
      ['enrol', { token: 't'.repeat(100), agentVersion: 'v'.repeat(40) }],
      ['charter', { consortium: 'c'.repeat(100), origin: 'o'.repeat(200) }],
      [
        'open-round',
        {
          round: LIMITS.roundsMax,
          attempt: 100,
          question: { ...QUESTION, kind: 'k'.repeat(40), length: LIMITS.vectorWordsMax },
        },
      ],
      ['refuse-round', { code: 'C'.repeat(40) }],
    ];
    for (const [type, changes] of largest) {
      const message = messageOf(type, { ...PAYLOADS[type], ...changes });
      expect(parseMessage(message)).toEqual(message);
    }
  });

  const tooLarge: [MessageType, object][] = [
    ['run-started', { roster: banks }],
    ['run-started', { roster: [] }],
    ['run-proposed', { plan: { ...PLAN, participants: banks } }],
    ['close-round', { survivors: [...indices, 0] }],
    ['close-round', { survivors: [] }],
    ['close-round', { survivors: [LIMITS.participantsMax] }],
    ['consent', { reason: 'r'.repeat(501) }],
    ['enrol', { token: 't'.repeat(101) }],
    ['enrol', { token: 't'.repeat(19) }],
    ['enrol', { agentVersion: 'v'.repeat(41) }],
    ['charter', { consortium: 'c'.repeat(101) }],
    ['charter', { origin: 'o'.repeat(201) }],
    ['open-round', { round: LIMITS.roundsMax + 1 }],
    ['open-round', { attempt: 101 }],
    ['open-round', { question: { ...QUESTION, kind: 'k'.repeat(41) } }],
    ['open-round', { question: { ...QUESTION, length: LIMITS.vectorWordsMax + 1 } }],
    ['open-round', { question: { ...QUESTION, length: 0 } }],
    ['plain-input', { length: 0 }],
    ['refuse-round', { code: 'C'.repeat(41) }],
    ['refuse-round', { code: 'policy' }],
    ['invite', { expiresAt: 2 ** 53 }],
  ];
  test.each(tooLarge)('of a %s is refused beyond its limit (%#)', (type, changes) => refuses(type, changes));

  test('that names a metric has a name and a finite value', () => {
    for (const metrics of [
      { Auc: 1 },
      { '': 1 },
      { 'a b': 1 },
      { ['m'.repeat(41)]: 1 },
      { auc: Infinity },
      { auc: '1' },
    ]) {
      refuses('run-finished', { metrics });
    }
  });

  test('that names an origin has no spaces, no plus and nothing outside ASCII', () => {
    for (const origin of ['', 'a b', 'a+b', 'a\nb', 'é']) refuses('charter', { origin });
  });
});

describe('parseMessage', () => {
  test('refuses everything that is no message with a SCHEMA error and throws nothing else', () => {
    const key = fc.constantFrom(
      'type',
      'payload',
      'sig',
      '__proto__',
      'constructor',
      'toString',
      'from',
      'x',
    );
    const junk = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue({ maxDepth: 2 }),
        fc.constantFrom(undefined, Number.NaN, 1n, Symbol('s'), new Date(0), /x/),
        fc.constantFrom(...TYPES),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
      ),
    })).value;
    fc.assert(
      fc.property(junk, junk, fc.constantFrom(...TYPES), (one, other, type) => {
        expect(refusalOf(one).code).toBe('SCHEMA');
        expect(refusalOf({ type, payload: one, sig: other }).code).toBe('SCHEMA');
        if (one === type) return;
        expect(refusalOf({ type: one, payload: PAYLOADS[type], sig: SIG }).code).toBe('SCHEMA');
      }),
      { numRuns: 400 },
    );
  });

  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    'takes a key %s, as JSON brings it, for the unknown key it is',
    (key) => {
      const withKey = (whole: object) =>
        JSON.parse(JSON.stringify(whole).replace('{', `{"${key}":{"admin":true},`)) as object;
      expect(refusalOf(withKey(messageOf('admit', PAYLOADS.admit))).code).toBe('SCHEMA');
      expect(refusalOf(messageOf('admit', withKey(PAYLOADS.admit))).code).toBe('SCHEMA');
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    },
  );

  test('refuses nesting without end like any other wrong shape', () => {
    let settings: unknown = 1;
    for (let i = 0; i < 50_000; i++) settings = i % 2 === 0 ? [settings] : { s: settings };
    const program = { name: 'fedavg', settings };
    expect(refusalOf(messageOf('run-proposed', { charter: HASH, plan: { ...PLAN, program } })).code).toBe(
      'SCHEMA',
    );
    expect(refusalOf(settings).code).toBe('SCHEMA');
  });

  test('does not know types that only a prototype has', () => {
    for (const type of ['toString', '__proto__', 'constructor', '', 'Charter', 'charter ']) {
      expect(refusalOf(messageOf(type, PAYLOADS.charter)).code).toBe('SCHEMA');
    }
  });
});

describe('who may send and who is told', () => {
  test('a bank signs exactly the messages that carry its name', () => {
    const ofBanks = TYPES.filter((type) => isBankMessage(parseMessage(messageOf(type, PAYLOADS[type]))));
    expect(ofBanks.toSorted()).toEqual([...BANK_MESSAGES].toSorted());
    expect(TYPES.filter((type) => 'from' in PAYLOADS[type]).toSorted()).toEqual(
      [...BANK_MESSAGES].toSorted(),
    );
  });

  test('no bank is told of another bank’s plain updates, nor who may operate', () => {
    const kept: MessageType[] = ['plain-input', 'refuse-round', 'incident', 'token'];
    expect([...FEED_TYPES, ...kept].toSorted()).toEqual(TYPES.toSorted());
  });
});
