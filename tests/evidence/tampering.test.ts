/**
 * Whoever changes anything in a bundle is found out, by a code that says where: each kind of entry, each
 * signature, each kind of body, the order, the head, parts of other ledgers; and what an operator can sign anew
 * with all keys of the coordinator does not fit what the banks have signed.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { openCoordinatorKeys } from '#coordinator/keys.ts';
import { verifyBundle, type AuditOptions, type AuditReport } from '#models/audit/verify-bundle.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { bodyNamedBy, type NamedBody } from '#shared/ledger/bodies-named.ts';
import { signCheckpoint } from '#shared/ledger/checkpoint.ts';
import { parseEntry, type Entry } from '#shared/ledger/entry.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { message as messageSchema, type Message, type MessageType } from '#shared/protocol/messages.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { putTogether, sourceOf, takeApart, type BundleContent } from '../support/bundle-parts.ts';
import { makeSampleLedger, type SampleLedger } from './sample-ledger.ts';

let sample: SampleLedger;
let whole: BundleContent;
let entries: Entry[];
beforeAll(async () => {
  sample = await makeSampleLedger();
  whole = await takeApart(sample.bytes);
  entries = whole.entries.map((text) => parseEntry(text as string).entry);
});

function audit(bytes: Uint8Array, options: Partial<AuditOptions> = {}): Promise<AuditReport> {
  return verifyBundle(sourceOf(bytes), { charter: sample.charter, ...options });
}

/** The codes of what is wrong with a changed copy. */
async function codesAfter(
  change: (content: BundleContent) => void,
  against: string[] = [],
): Promise<string[]> {
  const content: BundleContent = {
    note: whole.note,
    entries: [...whole.entries],
    bodies: whole.bodies.map(([root, bytes]) => [root, bytes.slice()]),
  };
  change(content);
  const { passed, findings, runs } = await audit(putTogether(content), { against });
  const codes = [...findings, ...runs.flatMap((run) => run.findings)].map(({ code }) => code);
  expect(passed).toBe(codes.length === 0);
  return codes;
}

const seqOf = (type: MessageType, which = 0): number =>
  entries.filter(({ message }) => message.type === type).at(which)!.seq;

/** Every type of message but confirm-sum: with vectors below 16 MiB every bank checks the sum itself. */
const TYPES = messageSchema.options
  .map(({ shape }) => shape.type.value)
  .filter((type) => type !== 'confirm-sum');

/** A field of each that means something, and what to make of it. */
function changed({ type, payload }: Message): object {
  const twist = (value: unknown): unknown => {
    if (typeof value === 'number') return value + 1;
    if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value))
      return value.replace(/^./, (c) => (c === '0' ? '1' : '0'));
    return undefined;
  };
  if (type === 'charter') return { ...payload, consortium: 'Another' };
  if (type === 'incident' || type === 'revoke') return { ...payload, reason: 'another' };
  for (const [key, value] of Object.entries(payload).reverse()) {
    if (twist(value) !== undefined) return { ...payload, [key]: twist(value) };
  }
  throw new Error(`nothing to change in ${type}`);
}

function put(content: BundleContent, seq: number, message: unknown, time = entries[seq]!.time): void {
  content.entries[seq] = canonicalJson({ seq, time, message });
}

test('the ledger has every kind of entry, and verifies', async () => {
  expect(new Set(entries.map(({ message }) => message.type))).toEqual(new Set(TYPES));
  expect(await audit(sample.bytes)).toMatchObject({
    passed: true,
    complete: true,
    findings: [],
    notChecked: [],
  });
});

describe.each(TYPES)('an entry of type %s', (type) => {
  test('cannot be changed without its author', async () => {
    const seq = seqOf(type);
    const { message } = entries[seq]!;
    const expected = type === 'charter' ? 'LEDGER' : 'SIG';
    expect(await codesAfter((c) => put(c, seq, { ...message, payload: changed(message) }))).toEqual([
      expected,
    ]);
  });

  test('cannot have the signature of another', async () => {
    const seq = seqOf(type);
    const { sig } = entries.find((other) => other.message.type !== type)!.message;
    expect(await codesAfter((c) => put(c, seq, { ...entries[seq]!.message, sig }))).toEqual(['SIG']);
  });
});

/** The first body of a kind; of masked vectors the first that is in a sum, because others are nothing without it. */
function bodyOf(kind: NamedBody['kind'], masked: boolean): string {
  const closed = new Set(
    entries.flatMap(({ message }) => (message.type === 'close-round' ? [message.payload.ctx] : [])),
  );
  for (const { message } of entries) {
    const body = bodyNamedBy(message);
    if (body?.kind !== kind) continue;
    if (kind !== 'vector' || (message.type === 'plain-input' && !masked)) return body.root;
    if (message.type === 'masked-input' && masked && closed.has(message.payload.ctx)) return body.root;
  }
  throw new Error(kind);
}

describe.each([
  ['a contract', 'contract', false, 'VECROOT'],
  ["a bank's vector in the open", 'vector', false, 'RANGE'],
  ["a bank's masked vector", 'vector', true, 'VECROOT'],
  ['a table of encrypted shares', 'shares', false, 'VECROOT'],
  ['a sum', 'sum', false, 'VECROOT'],
  ['a model', 'model', false, 'VECROOT'],
] as const)('%s', (_what, kind, masked, code) => {
  const at = (content: BundleContent): number =>
    content.bodies.findIndex(([root]) => root === bodyOf(kind, masked));

  test('with one bit changed is found', async () => {
    const codes = await codesAfter(({ bodies, ...rest }) => {
      const bytes = bodies[at({ bodies, ...rest })]![1];
      bytes[bytes.length >> 1]! ^= 4;
    });
    expect(['VECROOT', code]).toContain(codes[0]);
  });

  test('that is cut short is found', async () => {
    const codes = await codesAfter((content) => {
      const body = content.bodies[at(content)]!;
      body[1] = body[1].subarray(0, body[1].length - 8);
    });
    expect(codes).toContain('VECROOT');
  });

  test('that is left out is said not to be checked', async () => {
    const content = await takeApart(sample.bytes);
    content.bodies.splice(at(content), 1);
    // the model is not needed: the sums give it
    expect(await audit(putTogether(content))).toMatchObject({ passed: true, complete: kind === 'model' });
  });
});

describe('the order', () => {
  test('of two entries cannot be changed', async () => {
    const seq = seqOf('plain-input', 1);
    const codes = await codesAfter(({ entries: texts }) =>
      texts.splice(seq, 2, texts[seq + 1]!, texts[seq]!),
    );
    expect(codes).toEqual(['LEDGER']);
  });

  test('of two entries cannot be changed by numbering them anew', async () => {
    const seq = seqOf('consistency-check', 1);
    const codes = await codesAfter((c) => {
      put(c, seq, entries[seq + 1]!.message, entries[seq]!.time);
      put(c, seq + 1, entries[seq]!.message, entries[seq + 1]!.time);
    });
    expect(codes.length).toBe(1);
    expect(['FORK', 'LEDGER', 'STATE', 'CERTIFICATE']).toContain(codes[0]);
  });

  test('an entry cannot be told twice, left out, or put in', async () => {
    const seq = seqOf('cosign');
    expect(await codesAfter(({ entries: texts }) => texts.splice(seq, 0, texts[seq]!))).toEqual(['LEDGER']);
    expect(await codesAfter(({ entries: texts }) => texts.splice(seq, 1))).toEqual(['LEDGER']);
    expect(await codesAfter(({ entries: texts }) => texts.splice(-1, 1))).toEqual(['LEDGER']);
    expect(await codesAfter(({ entries: texts }) => texts.splice(-2, 2))).toEqual(['SIG']); // the ledger key of before
    expect(await codesAfter(({ entries: texts }) => texts.push(texts[seq]!))).toEqual(['LEDGER']);
    expect(await codesAfter(({ entries: texts }) => texts.splice(0, texts.length))).toEqual(['LEDGER']);
  });

  test('the time of an entry cannot be changed', async () => {
    const seq = seqOf('run-proposed', 1);
    const { message, time } = entries[seq]!;
    expect(await codesAfter((c) => put(c, seq, message, time + 1))).not.toEqual([]);
    expect(await codesAfter((c) => put(c, seq, message, time - 1e9))).toEqual(['STATE']);
  });

  test('an entry cannot be hidden where another follows from it', async () => {
    const hide = (seq: number) => (content: BundleContent) => {
      content.entries[seq] = { leaf: parseEntry(content.entries[seq] as string).leaf };
    };
    expect(await codesAfter(hide(0))).toEqual(['STATE']);
    expect(await codesAfter(hide(seqOf('run-started')))).not.toEqual([]);
    expect(await codesAfter(hide(seqOf('masked-input')))).not.toEqual([]);
    const content = await takeApart(sample.bytes);
    hide(seqOf('incident'))(content); // nothing does
    expect(await audit(putTogether(content))).toMatchObject({ passed: true, complete: false, hidden: 1 });
  });

  test('a leaf that is not the hidden entry’s does not give the root', async () => {
    const codes = await codesAfter(
      (c) => void (c.entries[seqOf('incident')] = { leaf: sha256(utf8('other')) }),
    );
    expect(codes).not.toEqual([]);
  });
});

describe('the head', () => {
  const lines = (): string[] => whole.note.split('\n');
  test.each([
    ['another size', 1, (line: string) => String(Number(line) - 1), 'SIG'],
    ['another root', 2, (line: string) => (line.startsWith('A') ? 'B' : 'A') + line.slice(1), 'SIG'],
    ['another origin', 0, (line: string) => `${line}x`, 'SCHEMA'],
    [
      'a broken signature',
      4,
      (line: string) => line.replace(/.{3}$/, (end) => (end === 'AA=' ? 'AE=' : 'AA=')),
      'SCHEMA',
    ],
    ['a line more', 4, (line: string) => `${line}\n— somebody ${'A'.repeat(92)}`, 'BUNDLE'],
  ] as const)('with %s is found', async (_what, at, change, code) => {
    const note = lines().with(at, change(lines()[at]!)).join('\n');
    const codes = await codesAfter((content) => void (content.note = note));
    expect(codes.length).toBe(1);
    expect([code, 'SIG']).toContain(codes[0]);
  });

  test('by the key from before the ledger key was changed is not taken', async () => {
    const seed = (await keys()).coordinatorSeed;
    const root = treeOf(whole).root();
    const { origin } = (entries[0]!.message as Message<'charter'>).payload;
    const note = signCheckpoint(origin, entries.length, root, seed);
    expect(await codesAfter((content) => void (content.note = note))).toEqual(['SIG']);
  });
});

describe('parts of something else', () => {
  test('a body that no entry names is found', async () => {
    const body = utf8('something else');
    expect(await codesAfter(({ bodies }) => bodies.push([vectorRoot(body), body]))).toEqual(['BUNDLE']);
  });

  test('a body that is there twice is found', async () => {
    expect(await codesAfter(({ bodies }) => bodies.push(bodies[0]!))).toEqual(['BUNDLE']);
  });

  test('two bodies under each other’s roots are found', async () => {
    const codes = await codesAfter(({ bodies }) => {
      const [one, other] = bodies.filter(([, bytes]) => bytes.length > 8);
      [one![1], other![1]] = [other![1], one![1]];
    });
    expect(codes).toContain('VECROOT');
  });

  test('a ledger of another consortium is not this one’s, and none of its entries fit', async () => {
    expect((await audit(sample.bytes, { charter: 'f'.repeat(64) })).findings).toMatchObject([
      { code: 'LEDGER' },
    ]);
    const seq = seqOf('consent');
    const foreign = signMessage(
      'consent',
      entries[seq]!.message.payload,
      sha256(utf8('of another consortium')),
    );
    expect(await codesAfter((c) => put(c, seq, foreign))).toEqual(['SIG']);
  });

  test('an entry of another run does not fit', async () => {
    const [one, other] = [seqOf('open-round'), seqOf('open-round', -1)];
    expect(await codesAfter((c) => put(c, one, entries[other]!.message))).not.toEqual([]);
    const [first, last] = [seqOf('close-round'), seqOf('close-round', -1)];
    expect(await codesAfter((c) => put(c, first, entries[last]!.message))).not.toEqual([]);
  });
});

const keys = () => openCoordinatorKeys(sample.coordinator.config().dataDir, undefined);

function treeOf({ entries: texts }: BundleContent): MerkleTree {
  const tree = new MerkleTree();
  for (const text of texts) tree.append(parseEntry(text as string).leaf);
  return tree;
}

describe('an operator with all keys of the coordinator', () => {
  /** Signs an entry anew, and the head over everything. */
  async function forge(
    type: MessageType,
    which: number,
    change: (payload: Record<string, unknown>, content: BundleContent) => object,
    against: string[] = [],
  ): Promise<string[]> {
    const { coordinatorSeed, logSeed } = await keys();
    const { origin } = (entries[0]!.message as Message<'charter'>).payload;
    return codesAfter((content) => {
      const seq = seqOf(type, which);
      const payload = change({ ...entries[seq]!.message.payload }, content);
      put(content, seq, signMessage(type, payload, coordinatorSeed));
      content.note = signCheckpoint(origin, entries.length, treeOf(content).root(), logSeed);
    }, against);
  }

  test.each([
    ['another roster', 'run-started', { roster: ['a', 'b', 'c'] }, /STATE|SHAPE|COHORT/],
    ['other survivors', 'close-round', { survivors: [0, 1, 2] }, /STATE/],
    ['survivors under another hash', 'close-round', { survivorsHash: 'a'.repeat(64) }, /STATE/],
    [
      'another question',
      'open-round',
      { question: { kind: 'x', hash: 'a'.repeat(64), ring: 'u64', length: 3 } },
      /./,
    ],
    ['other keys at the seal', 'seal-session', { roster: 'a'.repeat(64) }, /STATE|ROSTER/],
    ['a checkpoint over another root', 'checkpoint', { parent: 'a'.repeat(64) }, /STATE/],
  ] as const)('cannot make it say %s', async (_what, type, fields, code) => {
    const codes = await forge(type, 0, (payload) => ({ ...payload, ...fields }));
    expect(codes.length).toBeGreaterThan(0);
    expect(codes[0]).toMatch(code);
  });

  test('cannot announce another model, even at the very end', async () => {
    const model = utf8('{"weights":[1]}');
    const codes = await forge('run-finished', -1, (payload, { bodies }) => {
      bodies.push([vectorRoot(model), model]);
      return { ...payload, artefact: vectorRoot(model) };
    });
    expect(codes).toContain('LINEAGE');
  });

  test('cannot announce other figures of the model', async () => {
    const codes = await forge('run-finished', -1, (payload) => ({ ...payload, metrics: { auc: 0.99 } }));
    expect(codes).toContain('LINEAGE');
  });

  test('cannot finish a run under a checkpoint of another', async () => {
    const codes = await forge('run-finished', -1, (payload) => ({ ...payload, checkpoint: 'a'.repeat(64) }));
    expect(codes).toEqual(['QUORUM']);
  });

  test('can change what came after the last head that anybody holds, and nothing before it', async () => {
    const ended = (payload: Record<string, unknown>, content: BundleContent): object => {
      const { artefact, checkpoint: _final, ...rest } = payload;
      content.bodies = content.bodies.filter(([root]) => root !== artefact);
      return { ...rest, outcome: 'stopped', code: 'STOPPED', reason: 'it never was' };
    };
    expect(await forge('run-finished', -1, ended)).toEqual([]);
    expect(await forge('run-finished', -1, ended, [sample.bankNote])).toEqual(['FORK']);
    expect(await audit(sample.bytes, { against: [sample.bankNote] })).toMatchObject({
      passed: true,
      extendsHeads: 1,
    });
  });

  test('cannot go back on a head that somebody holds', async () => {
    const { logSeed } = await keys();
    const { origin } = (entries[0]!.message as Message<'charter'>).payload;
    const cut = { ...whole, entries: whole.entries.slice(0, -1), bodies: [] };
    const tree = treeOf(cut);
    const note = signCheckpoint(origin, tree.size, tree.root(), logSeed);
    const bytes = putTogether({ ...cut, note });
    expect(await audit(bytes, { bodies: false })).toMatchObject({ passed: true });
    const found = await audit(bytes, { bodies: false, against: [whole.note] });
    expect(found.findings.map(({ code }) => code)).toEqual(['ROLLBACK']);
    const older = await audit(sample.bytes, { bodies: false, against: [whole.note] });
    expect(older).toMatchObject({ passed: true, extendsHeads: 1 });
  });
});

describe('the file', () => {
  test('with any one bit changed does not pass', async () => {
    const generator = new SeededGenerator('bits', 'of the bundle');
    const places = generator.shuffle(range(sample.bytes.length)).slice(0, 16); // thousands of them in tests/soak
    // and where the structure of the file is
    const text = new TextDecoder('latin1').decode(sample.bytes);
    for (const word of ['note ', 'entry ', 'body ', 'end'])
      places.set([text.indexOf(word) + 2], places.length - 4);
    for (const at of places) {
      const bytes = sample.bytes.slice();
      bytes[at]! ^= 1 << (generator.nextUint32() % 8);
      const { passed } = await audit(bytes);
      expect(passed, `byte ${at}`).toBe(false);
    }
  });

  test('that is cut, or has something after its end, or is something else, is no bundle', async () => {
    for (const length of [0, 1, 19, 20, 500, sample.bytes.length >> 1, sample.bytes.length - 1]) {
      const { findings } = await audit(sample.bytes.slice(0, length));
      expect(findings, String(length)).toMatchObject([{ code: 'BUNDLE' }]);
    }
    const more = new Uint8Array([...sample.bytes, 10]);
    expect((await audit(more)).findings).toMatchObject([{ code: 'BUNDLE' }]);
    expect((await audit(utf8('PK\u0003\u0004 something else\n'))).findings).toMatchObject([
      { code: 'BUNDLE' },
    ]);
  });

  test('is verified in part when the auditor wants a sample, and says so', async () => {
    const report = await audit(sample.bytes, { sample: { rounds: 2, seed: toHex(sha256(utf8('sample'))) } });
    expect(report).toMatchObject({ passed: true, complete: false });
    expect(report.runs.reduce((sum, run) => sum + run.sumsRecomputed, 0)).toBe(2);
  });
});
