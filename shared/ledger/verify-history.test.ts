/**
 * A forger who holds the log key signs a fresh checkpoint over whatever they changed, so here every tampering
 * gets one: what is wrong must show in the entries. Only the last block tampers with the checkpoint itself.
 */
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { signCheckpoint, signHead } from '#shared/ledger/checkpoint.ts';
import { parseEntry, recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { verifyHistory, type History } from '#shared/ledger/verify-history.ts';
import type { Message, MessageType } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';

const BANKS = ['alder', 'birch', 'cedar'];
const ORIGIN = 'tallystick.example/one';
const seedOf = (name: string) => sha256(utf8(`seed of ${name}`));
const keyOf = (name: string) => toBase64Url(publicKeyOf(seedOf(name)));
const keysOf = (bank: string) => ({ identityKey: keyOf(bank), witnessKey: keyOf(`witness of ${bank}`) });
const digest = (text: string) => toHex(sha256(utf8(text)));

function sign(
  type: string,
  payload: object,
  author = 'from' in payload ? String(payload.from) : 'coordinator',
) {
  return signMessage(type, payload, seedOf(author)) as unknown as Message;
}

function headOver(entries: readonly Entry[]) {
  const tree = new MerkleTree();
  for (const entry of entries) tree.append(recordEntry(entry).leaf);
  return signHead(ORIGIN, tree.size, tree.root(), seedOf('log'));
}

/** Writes without checking anything; with another coordinator it is another consortium throughout. */
function makeHistory(coordinator = 'coordinator'): Entry[] {
  const entries: Entry[] = [];
  const write = (type: MessageType, payload: object): string => {
    const message = sign(type, payload, 'from' in payload ? String(payload.from) : coordinator);
    entries.push({ seq: entries.length, time: 1000 + 10 * entries.length, message });
    return messageHash(type, payload);
  };
  const charter = write('charter', {
    v: 1,
    consortium: 'Consortium One',
    origin: ORIGIN,
    coordinatorKey: keyOf(coordinator),
    logKey: keyOf('log'),
  });
  for (const bank of BANKS) {
    const token = `one-time token of ${bank}`;
    const invite = write('invite', { charter, participant: bank, tokenHash: digest(token), expiresAt: 5000 });
    const enrol = write('enrol', { invite, from: bank, token, ...keysOf(bank), agentVersion: '1' });
    write('admit', { enrol, participant: bank });
  }
  const run = write('run-proposed', {
    charter,
    plan: plan.parse({
      v: 1,
      name: 'spring',
      contract: digest('contract'),
      program: { name: 'fedavg', settings: null },
      participants: BANKS,
      cohort: { minimum: 2 },
      aggregation: 'plain',
      seed: 'seed',
    }),
  });
  for (const from of BANKS) write('consent', { run, from, decision: 'granted', reason: 'yes' });
  const witnessKeys = BANKS.map((bank) => keyOf(`witness of ${bank}`));
  let parent = write('run-started', { run, roster: BANKS, witnessKeys });
  const open = (attempt: number) =>
    write('open-round', {
      run,
      parent,
      round: 0,
      attempt,
      question: { kind: 'means', hash: digest('question'), ring: 'u64', length: 3 },
      metrics: {},
      deadlineAt: 9000,
      head: headOver(entries),
    });
  let ctx = open(0);
  write('plain-input', { ctx, from: 'birch', ring: 'u64', length: 3, vectorRoot: digest('birch') });
  write('refuse-round', { ctx, from: 'alder', code: 'POLICY', reason: 'no' });
  parent = write('void-round', { ctx, code: 'COHORT', reason: 'too few' });
  ctx = open(1);
  for (const from of ['cedar', 'alder']) {
    write('plain-input', { ctx, from, ring: 'u64', length: 3, vectorRoot: digest(from) });
  }
  const vectors = [
    [0, digest('alder')],
    [2, digest('cedar')],
  ];
  const survivorsHash = messageHash('survivors', { ctx, vectors });
  parent = write('close-round', { ctx, survivors: [0, 2], survivorsHash, sumRoot: digest('sum') });
  write('run-finished', { run, parent, outcome: 'stopped', code: 'STOPPED', reason: 'enough', metrics: {} });
  return entries;
}

const ENTRIES = makeHistory();
const TEXTS = ENTRIES.map((entry) => recordEntry(entry).text);
const CHARTER = recordEntry(ENTRIES[0]!).hash;
const place = (type: MessageType, nth = 0) =>
  ENTRIES.filter(({ message }) => message.type === type)[nth]!.seq;

function headOf(texts: readonly string[], origin = ORIGIN, seed = seedOf('log')): string {
  const tree = new MerkleTree();
  for (const text of texts) tree.append(parseEntry(text).leaf);
  return signCheckpoint(origin, texts.length, tree.root(), seed);
}

/** Under a checkpoint over as many entries; nothing reaches it unless all of them pass. */
function verifyTampered(texts: readonly string[]): Promise<History> {
  return verifyHistory(texts, signCheckpoint(ORIGIN, texts.length, sha256(), seedOf('log')), CHARTER);
}

const textsOf = (entries: readonly Entry[]) => entries.map((entry) => recordEntry(entry).text);

/** Positions and times made good again. */
function renumbered(entries: readonly Entry[]): Entry[] {
  return entries.map(({ message }, seq) => ({ seq, time: 1000 + 10 * seq, message }));
}

/** One payload changed and signed again by its author, or by somebody else. */
function resigned(seq: number, changes: object, author?: string): Entry[] {
  const entry = ENTRIES[seq]!;
  const { type, payload } = entry.message;
  return ENTRIES.with(seq, { ...entry, message: sign(type, { ...payload, ...changes }, author) });
}

describe('an untouched history', () => {
  test('has no findings, and ends in the state, size and root it has', async () => {
    const head = headOf(TEXTS);
    const history = await verifyHistory(TEXTS, head, CHARTER);
    expect(history.findings).toEqual([]);
    expect(history.size).toBe(ENTRIES.length);
    expect(Buffer.from(history.root, 'hex').toString('base64')).toBe(head.split('\n')[2]);
    expect([...history.state.runs.values()].map(({ phase }) => phase.name)).toEqual(['finished']);
  });

  test('may come as a stream', async () => {
    async function* stream() {
      yield* TEXTS;
    }
    const history = await verifyHistory(stream(), headOf(TEXTS), CHARTER);
    expect(history.findings).toEqual([]);
    expect(history.size).toBe(ENTRIES.length);
  });

  test('is valid at each of its earlier lengths', async () => {
    for (let size = 1; size <= TEXTS.length; size++) {
      const texts = TEXTS.slice(0, size);
      expect((await verifyHistory(texts, headOf(texts), CHARTER)).findings).toEqual([]);
    }
  });
});

describe('an entry changed without its author', () => {
  test.each(ENTRIES.map(({ seq, message }) => ({ seq, type: message.type })))(
    'is found: the signature of entry $seq, a $type, replaced by another valid one',
    async ({ seq }) => {
      const entry = ENTRIES[seq]!;
      const { sig } = ENTRIES[(seq + 1) % ENTRIES.length]!.message;
      const texts = textsOf(ENTRIES.with(seq, { ...entry, message: { ...entry.message, sig } }));
      const { findings } = await verifyTampered(texts);
      expect(findings).toEqual([expect.objectContaining({ seq, code: 'SIG' })]);
    },
  );

  const changed: [type: MessageType, changes: object][] = [
    ['invite', { expiresAt: 5001 }],
    ['enrol', { agentVersion: '2' }],
    ['enrol', { identityKey: keyOf('mallory') }],
    ['run-proposed', { plan: { ...(ENTRIES[10]!.message.payload as { plan: object }).plan, retries: 3 } }],
    ['consent', { reason: 'no' }],
    ['consent', { decision: 'refused' }],
    ['open-round', { deadlineAt: 9001 }],
    ['open-round', { metrics: { auc: 1 } }],
    ['plain-input', { vectorRoot: digest('another vector') }],
    ['refuse-round', { code: 'OTHER' }],
    ['void-round', { reason: 'none' }],
    ['close-round', { sumRoot: digest('another sum') }],
    ['run-finished', { reason: 'none' }],
  ];
  test.each(changed)('is found: a %s with %j', async (type, changes) => {
    const seq = place(type);
    const entry = ENTRIES[seq]!;
    const payload = { ...entry.message.payload, ...changes };
    const message = { ...entry.message, payload } as Message;
    const { findings } = await verifyTampered(textsOf(ENTRIES.with(seq, { ...entry, message })));
    expect(findings).toEqual([expect.objectContaining({ seq, code: 'SIG' })]);
  });

  test.each([
    ['the coordinator speaks for a bank', place('plain-input'), 'coordinator'],
    ['the coordinator consents for a bank', place('consent', 1), 'coordinator'],
    ['one bank speaks for another', place('plain-input', 1), 'birch'],
    ['a bank closes the round', place('close-round'), 'alder'],
    ['a bank admits itself', place('admit'), 'alder'],
    ['the log key signs for the coordinator', place('run-started'), 'log'],
  ])('is found: %s', async (_what, seq, author) => {
    const { findings } = await verifyTampered(textsOf(resigned(seq, {}, author)));
    expect(findings).toEqual([expect.objectContaining({ seq, code: 'SIG' })]);
  });
});

describe('an entry its own author has written anew', () => {
  const rewritten: [what: string, seq: number, changes: object, code: string, foundAt?: number][] = [
    [
      'the roster leaves out a bank that consented',
      place('run-started'),
      { roster: ['alder', 'birch'] },
      'STATE',
    ],
    [
      'the roster is in another order',
      place('run-started'),
      { roster: ['birch', 'alder', 'cedar'] },
      'STATE',
    ],
    ['a round is skipped', place('open-round'), { round: 1 }, 'STATE'],
    ['an attempt is skipped', place('open-round', 1), { attempt: 2 }, 'STATE'],
    ['a round follows something else', place('open-round'), { parent: digest('else') }, 'STATE'],
    ['a deadline lies in the past', place('open-round'), { deadlineAt: 1 }, 'STATE'],
    ['an answer has another length', place('plain-input'), { length: 4 }, 'SHAPE'],
    ['an answer names another round', place('plain-input'), { ctx: digest('else') }, 'STALE'],
    [
      'an answer changes under a closed round',
      place('plain-input', 2),
      { vectorRoot: digest('new') },
      'STATE',
      place('close-round'),
    ],
    ['the sum leaves out a bank that answered', place('close-round'), { survivors: [0] }, 'STATE'],
    ['the sum counts a bank that did not answer', place('close-round'), { survivors: [0, 1, 2] }, 'STATE'],
    ['the sum is over other vectors', place('close-round'), { survivorsHash: digest('else') }, 'STATE'],
    ['a run is completed without a model', place('run-finished'), { outcome: 'completed' }, 'STATE'],
    ['a run ends after something else', place('run-finished'), { parent: digest('else') }, 'STATE'],
    [
      'a consent turns into a refusal',
      place('consent'),
      { decision: 'refused' },
      'STATE',
      place('run-started'),
    ],
    ['an admission names another enrolment', place('admit'), { enrol: digest('else') }, 'NOT_FOUND'],
    ['an invitation names another charter', place('invite'), { charter: digest('else') }, 'STATE'],
    [
      'an invitation expired before it was used',
      place('invite'),
      { expiresAt: 1011 },
      'INVITATION',
      place('enrol'),
    ],
    [
      'the plan changes after the consents',
      place('run-proposed'),
      { plan: { ...(ENTRIES[10]!.message.payload as { plan: object }).plan, retries: 3 } },
      'NOT_FOUND',
      place('consent'),
    ],
  ];
  test.each(rewritten)('is found: %s', async (_what, seq, changes, code, foundAt = seq) => {
    const { findings } = await verifyTampered(textsOf(resigned(seq, changes)));
    expect(findings).toEqual([expect.objectContaining({ seq: foundAt, code })]);
  });

  test('is found: an enrolment with another key, at the first message under the old one', async () => {
    const seq = place('enrol');
    const forged = resigned(seq, { identityKey: keyOf('mallory') }, 'mallory');
    const { findings } = await verifyTampered(textsOf(forged));
    expect(findings).toEqual([expect.objectContaining({ seq: seq + 1, code: 'NOT_FOUND' })]);
  });
});

describe('the order of entries', () => {
  const swaps: [string, number, string][] = [
    ['an enrolment before its invitation', place('invite'), 'INVITATION'],
    ['an admission before its enrolment', place('enrol'), 'NOT_FOUND'],
    ['a consent before the proposal', place('run-proposed'), 'NOT_FOUND'],
    ['the start before the last consent', place('consent', 2), 'STATE'],
    ['an answer before its question', place('open-round'), 'STALE'],
    ['the retry before the voiding', place('void-round'), 'STATE'],
    ['the sum before the last answer', place('plain-input', 2), 'STATE'],
    ['the end before the sum', place('close-round'), 'STATE'],
    ['the invitation before the charter', 0, 'LEDGER'],
  ];
  test.each(swaps)('is found to be wrong: %s', async (_what, seq, code) => {
    const swapped = ENTRIES.with(seq, ENTRIES[seq + 1]!).with(seq + 1, ENTRIES[seq]!);
    const { findings } = await verifyTampered(textsOf(renumbered(swapped)));
    expect(findings).toEqual([expect.objectContaining({ seq, code })]);
  });

  test('does not allow any entry twice', async () => {
    for (const { seq } of ENTRIES) {
      const doubled = renumbered(ENTRIES.toSpliced(seq + 1, 0, ENTRIES[seq]!));
      const { findings } = await verifyTampered(textsOf(doubled));
      expect(findings, String(seq)).toEqual([expect.objectContaining({ seq: seq + 1 })]);
      expect(['STATE', 'REPLAY', 'LATE', 'INVITATION', 'LEDGER']).toContain(findings[0]!.code);
    }
  });

  test('does not allow any entry to be left out, but for the end, which nothing follows', async () => {
    for (const { seq, message } of ENTRIES) {
      const shortened = textsOf(renumbered(ENTRIES.toSpliced(seq, 1)));
      const { findings } = await verifyHistory(shortened, headOf(shortened), CHARTER);
      const followed = message.type !== 'run-finished'; // heads that were signed on the way cover the others
      expect(findings.length, `${seq}: ${message.type}`).toBe(followed ? 1 : 0);
      // whoever holds an older checkpoint sees those as well
      expect((await verifyHistory(shortened, headOf(TEXTS), CHARTER)).findings).toHaveLength(1);
    }
  });

  test('is that of the sequence numbers', async () => {
    const [one, other] = [place('consent'), place('consent', 1)];
    const swapped = ENTRIES.with(one, ENTRIES[other]!).with(other, ENTRIES[one]!);
    const { findings } = await verifyTampered(textsOf(swapped));
    expect(findings).toEqual([expect.objectContaining({ seq: one, code: 'LEDGER' })]);
  });

  test('is that of the recorded times', async () => {
    const late = ENTRIES.with(4, { ...ENTRIES[4]!, time: ENTRIES[5]!.time + 1 });
    const { findings } = await verifyTampered(textsOf(late));
    expect(findings).toEqual([expect.objectContaining({ seq: 5, code: 'STATE' })]);
  });
});

describe('text that is not canonical', () => {
  const damages: [string, (text: string) => string, string][] = [
    ['a space', (text) => text.replace(':', ': '), 'CANON'],
    ['a carriage return', (text) => `${text}\r`, 'CANON'],
    ['an empty line', () => '', 'CANON'],
    ['a cut', (text) => text.slice(0, -1), 'CANON'],
    ['an unknown key', (text) => text.replace('"seq"', '"sequel":1,"seq"'), 'CANON'],
    ['an unknown type', (text) => text.replace('"type":"', '"type":"x'), 'SCHEMA'],
    ['a number for a text', (text) => text.replace(/"sig":"[^"]*"/, '"sig":0'), 'SCHEMA'],
    [
      'too many bytes',
      (text) => text.replace('"reason":"yes"', `"reason":"${'y'.repeat(65_536)}"`),
      'TOO_LARGE',
    ],
  ];
  test.each(damages)('is found: %s', async (_what, damage, code) => {
    const seq = place('consent', 1);
    const texts = TEXTS.with(seq, damage(TEXTS[seq]!));
    const { findings, size } = await verifyTampered(texts);
    expect(findings).toEqual([expect.objectContaining({ seq, code })]);
    expect(size).toBe(seq);
  });
});

describe('the charter', () => {
  test('of another coordinator is found out, however consistent what follows', async () => {
    const other = textsOf(makeHistory('impostor'));
    expect(
      (await verifyHistory(other, headOf(other), recordEntry(makeHistory('impostor')[0]!).hash)).findings,
    ).toEqual([]);
    const { findings } = await verifyHistory(other, headOf(other), CHARTER);
    expect(findings).toEqual([expect.objectContaining({ seq: 0, code: 'LEDGER' })]);
  });

  test('must be there: an empty ledger is not a valid one', async () => {
    const { findings } = await verifyHistory([], signCheckpoint(ORIGIN, 0, sha256(), seedOf('log')), CHARTER);
    expect(findings).toEqual([expect.objectContaining({ code: 'LEDGER' })]);
  });
});

describe('the checkpoint', () => {
  const root = Buffer.from(headOf(TEXTS).split('\n')[2]!, 'base64');
  const wrong: [string, string, string][] = [
    ['a smaller size', signCheckpoint(ORIGIN, TEXTS.length - 1, root, seedOf('log')), 'LEDGER'],
    ['a larger size', signCheckpoint(ORIGIN, TEXTS.length + 1, root, seedOf('log')), 'LEDGER'],
    ['another root', signCheckpoint(ORIGIN, TEXTS.length, sha256(), seedOf('log')), 'LEDGER'],
    ["the coordinator's key", headOf(TEXTS, ORIGIN, seedOf('coordinator')), 'SIG'],
    ['another origin', headOf(TEXTS, 'tallystick.example/two'), 'SCHEMA'],
    ['a changed size', headOf(TEXTS).replace(`\n${TEXTS.length}\n`, `\n${TEXTS.length - 1}\n`), 'SIG'],
    ['no signature', headOf(TEXTS).split('—')[0]!, 'SCHEMA'],
    ['nothing in it', '', 'SCHEMA'],
  ];
  test.each(wrong)('with %s is found', async (_what, checkpoint, code) => {
    const { findings } = await verifyHistory(TEXTS, checkpoint, CHARTER);
    expect(findings).toHaveLength(1);
    expect(findings[0]!.code).toBe(code);
    expect(findings[0]!.seq).toBeUndefined();
  });

  test('shows that the last entries were cut off', async () => {
    const { findings } = await verifyHistory(TEXTS.slice(0, -1), headOf(TEXTS), CHARTER);
    expect(findings).toEqual([expect.objectContaining({ code: 'LEDGER' })]);
  });

  test('shows a changed entry that is valid in itself', async () => {
    const last = ENTRIES.at(-1)!; // no head was signed after it
    const changed = ENTRIES.with(last.seq, { ...last, time: last.time + 1 });
    expect((await verifyHistory(textsOf(changed), headOf(textsOf(changed)), CHARTER)).findings).toEqual([]);
    const { findings } = await verifyHistory(textsOf(changed), headOf(TEXTS), CHARTER);
    expect(findings).toEqual([expect.objectContaining({ code: 'LEDGER' })]);
  });
});
