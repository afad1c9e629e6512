/**
 * One small run with real signatures and bodies in a Map: two banks of three answer each round, one round is
 * void and asked again, the model is announced. The coordinator here is honest until `tamper` says otherwise.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { RunMachine } from '#models/run-machine.ts';
import { verifyRuns, type BodySource, type RunVerdict } from '#models/audit/verify-runs.ts';
import { withTrainingCounts } from '#models/testing/training-counts.ts';
import { contractBytes, contractHash, dataContract } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import { recordEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type FederationState } from '#shared/ledger/federation-state.ts';
import { survivorsHash } from '#shared/ledger/rounds.ts';
import type { Message, MessageType } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import { encodeFields, type RingWords } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

const BANKS = ['alder', 'birch', 'cedar'];
const seedOf = (name: string) => sha256(utf8(`seed of ${name}`));
const keyOf = (name: string) => toBase64Url(publicKeyOf(seedOf(name)));

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [{ name: 'a', type: 'number', min: 0, max: 1 }],
});

/** Where a dishonest or careless party steps in. All default to honesty. */
interface Tampering {
  /** Changes what a bank uploads in a round, before it signs the root of it. */
  readonly vector?: (words: RingWords, round: number, bank: string) => RingWords;
  /** Changes the sum the coordinator publishes and signs the root of. */
  readonly sum?: (words: RingWords, round: number) => RingWords;
  readonly questionHash?: (hash: string, round: number, attempt: number) => string;
  readonly questionKind?: (kind: string, round: number) => string;
  readonly metrics?: (metrics: object, round: number) => object;
  readonly artefact?: (root: string) => string;
  readonly finalMetrics?: (metrics: object) => object;
  /** Ends the run after so many rounds. */
  readonly rounds?: number;
  readonly outcome?: 'completed' | 'stopped';
  readonly contract?: Uint8Array;
}

interface Evidence {
  readonly state: FederationState;
  readonly bodies: Map<string, Uint8Array>;
  readonly inputs: string[];
  readonly sums: string[];
  readonly contractRoot: string;
}

class Ledger {
  readonly state = emptyFederation();
  private time = 1000;

  write(type: MessageType, payload: object): string {
    const author = 'from' in payload ? String(payload.from) : 'coordinator';
    const message = signMessage(type, payload, seedOf(author)) as unknown as Message;
    assertAdmissible(this.state, message, this.time);
    assertAuthentic(this.state, message);
    const recorded = recordEntry({ seq: this.state.size, time: this.time++, message });
    apply(this.state, recorded);
    return recorded.hash;
  }

  head() {
    return signHead('tallystick.example/one', this.state.size, sha256(utf8('any root')), seedOf('log'));
  }

  /** The open round of the only run. */
  open() {
    const [run] = this.state.runs.values();
    if (run?.phase.name !== 'collecting') throw new Error('no round is open');
    return run.phase.open;
  }
}

function makeRun(tamper: Tampering = {}): Evidence {
  const ledger = new Ledger();
  const bodies = new Map<string, Uint8Array>();
  const keep = (root: string, bytes: Uint8Array) => {
    bodies.set(root, bytes.slice());
    return root;
  };
  const charter = ledger.write('charter', {
    v: 1,
    consortium: 'One',
    origin: 'tallystick.example/one',
    coordinatorKey: keyOf('coordinator'),
    logKey: keyOf('log'),
  });
  for (const bank of BANKS) {
    const token = `one-time token of ${bank}`;
    const tokenHash = toHex(sha256(utf8(token)));
    const invite = ledger.write('invite', { charter, participant: bank, tokenHash, expiresAt: 5000 });
    const enrol = ledger.write('enrol', {
      invite,
      from: bank,
      token,
      identityKey: keyOf(bank),
      witnessKey: keyOf(`witness of ${bank}`),
      agentVersion: '1',
    });
    ledger.write('admit', { enrol, participant: bank });
  }
  const contractBody = tamper.contract ?? contractBytes(contract);
  const agreed = plan.parse({
    v: 1,
    name: 'spring',
    contract: keep(vectorRoot(contractBody), contractBody),
    program: {
      name: 'fedavg',
      settings: { network: { hidden: [], dropout: 0 }, stop: { rounds: 2 }, rowsCap: 1000 },
    },
    participants: BANKS,
    cohort: { minimum: 2 },
    aggregation: 'plain',
    seed: 'seed',
  });
  const run = ledger.write('run-proposed', { charter, plan: agreed });
  for (const from of BANKS) ledger.write('consent', { run, from, decision: 'granted', reason: '' });
  const witnessKeys = BANKS.map((bank) => keyOf(`witness of ${bank}`));
  let parent = ledger.write('run-started', { run, roster: BANKS, witnessKeys });

  const machine = new RunMachine(agreed, contract, BANKS.length);
  const inputs: string[] = [];
  const sums: string[] = [];
  let attempt = 0;
  for (let round = 0; machine.asked !== undefined && round < (tamper.rounds ?? Infinity); round++) {
    const { question, hash, length } = machine.asked;
    const open = () =>
      ledger.write('open-round', {
        run,
        parent,
        round,
        attempt,
        question: {
          kind: tamper.questionKind?.(question.kind, round) ?? question.kind,
          hash: tamper.questionHash?.(hash, round, attempt) ?? hash,
          ring: question.ring,
          length,
        },
        metrics: tamper.metrics?.(machine.metrics, round) ?? machine.metrics,
        deadlineAt: 9000,
        head: ledger.head(),
      });
    if (round === 1) {
      parent = ledger.write('void-round', { ctx: open(), code: 'COHORT', reason: 'nobody came' });
      attempt++;
    }
    const ctx = open();
    const honest = createWords(question.ring, length);
    for (const from of round % 2 === 0 ? ['birch', 'alder'] : ['alder', 'cedar']) {
      const fields = question.fields.map(({ name, length: size, clip }, f) => [
        name,
        new Float64Array(size).fill(Math.min(clip, BANKS.indexOf(from) + f + 1.5)),
      ]);
      const values = withTrainingCounts(Object.fromEntries(fields) as Record<string, Float64Array>);
      const encoded = encodeFields(values, question.fields, question.ring, 's');
      const words = tamper.vector?.(encoded, round, from) ?? encoded;
      inputs.push(keep(vectorRoot(words), bytesOf(words)));
      ledger.write('plain-input', { ctx, from, ring: question.ring, length, vectorRoot: inputs.at(-1) });
      addInto(honest, words.length === length ? words : encoded);
    }
    const sum = tamper.sum?.(honest, round) ?? honest;
    sums.push(keep(vectorRoot(sum), bytesOf(sum)));
    const survivors = [...ledger.open().inputs.keys()].sort((a, b) => a - b);
    parent = ledger.write('close-round', {
      ctx,
      survivors,
      survivorsHash: survivorsHash(ledger.open()),
      sumRoot: sums.at(-1),
    });
    attempt = 0;
    try {
      machine.next(sum, survivors.length, sums.at(-1)!);
    } catch (error) {
      if (sum === honest && tamper.vector === undefined) throw error;
      break; // the tampering made a sum no machine takes
    }
  }
  const outcome = tamper.outcome ?? 'completed';
  const model =
    machine.finished === undefined ? 'f'.repeat(64) : keep(machine.finished.root, machine.finished.artefact);
  const head = ledger.head();
  const checkpoint = outcome === 'completed' ? ledger.write('checkpoint', { run, parent, head }) : undefined;
  if (checkpoint !== undefined) {
    for (const from of ['alder', 'birch']) {
      const cosigned = { origin: 'tallystick.example/one', ...head };
      const signature = signCosignature(cosigned, 1, seedOf(`witness of ${from}`));
      ledger.write('cosign', { checkpoint, from, time: 1, signature });
    }
  }
  ledger.write('run-finished', {
    ...(checkpoint === undefined ? {} : { checkpoint }),
    run,
    parent,
    outcome,
    reason: '',
    ...(outcome === 'completed' ? { artefact: tamper.artefact?.(model) ?? model } : {}),
    metrics: tamper.finalMetrics?.(machine.metrics) ?? machine.metrics,
  });
  return { state: ledger.state, bodies, inputs, sums, contractRoot: agreed.contract };
}

/** Hands bodies out in pieces of `size` bytes. */
function sourceOf(bodies: ReadonlyMap<string, Uint8Array>, size = 1 << 20): BodySource {
  return (root) => {
    const body = bodies.get(root);
    return body && pieces(body, size);
  };
}

async function* pieces(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < body.length; start += size) yield body.subarray(start, start + size);
}

async function verdictOf(
  { state, bodies }: Pick<Evidence, 'state' | 'bodies'>,
  size?: number,
): Promise<RunVerdict> {
  const verdicts = await verifyRuns(state, sourceOf(bodies, size));
  expect(verdicts).toHaveLength(1);
  return verdicts[0]!;
}

const codesOf = ({ findings }: RunVerdict) => findings.map(({ code }) => code);

let honest: Evidence;
beforeAll(() => {
  honest = makeRun();
});

/** The honest evidence with one body replaced by another under the same name. */
function withBody(root: string, change: (bytes: Uint8Array) => Uint8Array): Evidence {
  const bodies = new Map(honest.bodies);
  bodies.set(root, change(bodies.get(root)!.slice()));
  return { ...honest, bodies };
}

function without(...roots: string[]): Evidence {
  return { ...honest, bodies: new Map([...honest.bodies].filter(([root]) => !roots.includes(root))) };
}

function changedAt(words: RingWords, at: number, value: number): RingWords {
  const changed = words.slice();
  changed[at] = changed instanceof Uint32Array ? value : BigInt(value);
  return changed;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  bytes[(at + bytes.length) % bytes.length]! ^= 1;
  return bytes;
}

describe('an honest run', () => {
  test('passes, every sum recomputed from what the banks signed', async () => {
    expect(await verdictOf(honest)).toMatchObject({
      name: 'spring',
      roundsClosed: 5, // means, spreads, two of training, evaluate
      sumsRecomputed: 5,
      findings: [],
      notChecked: [],
    });
  });

  test.each([8, 16, 24, 4096])('passes with bodies in pieces of %i bytes', async (size) => {
    expect(await verdictOf(honest, size)).toMatchObject({ sumsRecomputed: 5, findings: [], notChecked: [] });
  });

  test('asked the same question again after the void round', () => {
    const [run] = honest.state.runs.values();
    const retried = run!.past.filter(({ open }) => open.payload.round === 1);
    expect(retried.map(({ end }) => end.outcome)).toEqual(['void', 'closed']);
    expect(retried[0]!.open.payload.question).toEqual(retried[1]!.open.payload.question);
  });

  test('passes as well when it was stopped early, without a model', async () => {
    const stopped = makeRun({ rounds: 3, outcome: 'stopped' });
    expect(await verdictOf(stopped)).toMatchObject({
      roundsClosed: 3,
      sumsRecomputed: 3,
      findings: [],
      notChecked: [],
    });
  });

  test('that has not ended yet is checked as far as it has come', async () => {
    const state = structuredClone(honest.state);
    const [run] = state.runs.values();
    const [last] = run!.past.slice(-1);
    Object.assign(run!, { phase: { name: 'ready', parent: last!.end.hash, round: 5, attempt: 0 } });
    const verdict = await verdictOf({ state, bodies: honest.bodies });
    expect(verdict).toMatchObject({ roundsClosed: 5, sumsRecomputed: 5, findings: [], notChecked: [] });
  });

  test('that never started has nothing to recompute, so nothing is missing', async () => {
    const state = structuredClone(honest.state);
    const [run] = state.runs.values();
    Object.assign(run!, { roster: [], phase: { name: 'proposed' }, past: [] });
    const verdict = await verdictOf({ state, bodies: new Map() });
    expect(verdict).toMatchObject({ roundsClosed: 0, sumsRecomputed: 0, findings: [], notChecked: [] });
  });
});

describe('a body that is not what was signed', () => {
  test.each([
    ['the first bank’s numbers changed within their range', 0, 16, 'VECROOT'],
    ['the last word of a later round changed', 9, -4, 'VECROOT'],
    ['a canary of 0', 4, 0, 'CANARY'],
  ])('is found: %s', async (_what, input, at, code) => {
    const verdict = await verdictOf(withBody(honest.inputs[input]!, (bytes) => flipped(bytes, at)));
    expect(codesOf(verdict)).toEqual([code]);
  });

  test.each([
    ['a value no bank may send', (bytes: Uint8Array) => bytes.fill(0x7f, 8, 16), 'RANGE'],
    ['a word too many', (bytes: Uint8Array) => Uint8Array.of(...bytes, ...new Uint8Array(8)), 'SHAPE'],
    ['a word too few', (bytes: Uint8Array) => bytes.slice(0, -8), 'VECROOT'],
    ['half a word too many', (bytes: Uint8Array) => Uint8Array.of(...bytes, 0, 0, 0, 0), 'SHAPE'],
    ['nothing in it', () => new Uint8Array(0), 'VECROOT'],
  ] as const)('is found: %s', async (_what, change, code) => {
    const verdict = await verdictOf(withBody(honest.inputs[0]!, change));
    expect(codesOf(verdict)).toEqual([code]);
    expect(verdict.sumsRecomputed).toBe(0);
  });

  test('is found where it is the sum, the contract or another bank’s body', async () => {
    expect(codesOf(await verdictOf(withBody(honest.sums[2]!, (bytes) => flipped(bytes, 20))))).toEqual([
      'VECROOT',
    ]);
    expect(codesOf(await verdictOf(withBody(honest.contractRoot, (bytes) => flipped(bytes, 20))))).toEqual([
      'VECROOT',
    ]);
    const other = honest.bodies.get(honest.inputs[1]!)!;
    expect(codesOf(await verdictOf(withBody(honest.inputs[0]!, () => other)))).toEqual(['VECROOT']);
  });
});

describe('a bank that signed an update no honest bank sends', () => {
  test.each([
    ['two canaries', (words: RingWords) => changedAt(words, 0, 2), 'CANARY'],
    ['more than the clip', (words: RingWords) => changedAt(words, 1, 2 ** 20), 'RANGE'],
    ['a word less than it says', (words: RingWords) => words.slice(0, -1), 'SHAPE'],
  ] as const)('is found: %s', async (_what, change, code) => {
    const evidence = makeRun({
      vector: (words, round, bank) => (round === 2 && bank === 'alder' ? change(words) : words),
    });
    const verdict = await verdictOf(evidence);
    expect(codesOf(verdict)).toEqual([code]);
    expect(verdict).toMatchObject({ roundsClosed: 3, sumsRecomputed: 2 });
  });
});

describe('a coordinator that signed something else than follows', () => {
  const oneMore = (words: RingWords, at: number) => changedAt(words, at, Number(words[at]) + 1);

  test.each([0, 2, 4])('is found: the sum of round %i is off by one in one word', async (target) => {
    const verdict = await verdictOf(
      makeRun({ sum: (words, round) => (round === target ? oneMore(words, 2) : words) }),
    );
    expect(codesOf(verdict)).toEqual(['VECROOT']);
    expect(verdict.findings[0]!.message).toContain(`round ${target}`);
  });

  test.each([0, 1, 3])('is found: another question in round %i', async (target) => {
    const tampered = makeRun({ questionHash: (hash, round) => (round === target ? 'b'.repeat(64) : hash) });
    const verdict = await verdictOf(tampered);
    expect(codesOf(verdict)).toEqual(['LINEAGE']);
    expect(verdict.findings[0]!.message).toContain(`round ${target}`);
  });

  test('is found: a question that is called something else than it is', async () => {
    const tampered = makeRun({ questionKind: (kind, round) => (round === 1 ? 'evaluate' : kind) });
    expect(codesOf(await verdictOf(tampered))).toEqual(['LINEAGE']);
  });

  test('is found: another question in an attempt that gave no sum', async () => {
    const tampered = makeRun({
      questionHash: (hash, round, attempt) => (round === 1 && attempt === 0 ? 'b'.repeat(64) : hash),
    });
    expect(codesOf(await verdictOf(tampered))).toEqual(['LINEAGE']);
  });

  test('is found: better figures than the sums show', async () => {
    const inRound = makeRun({
      metrics: (metrics, round) => (round === 3 ? { ...metrics, logLoss: 0.1 } : metrics),
    });
    expect(codesOf(await verdictOf(inRound))).toEqual(['LINEAGE']);
    const atTheEnd = makeRun({ finalMetrics: (metrics) => ({ ...metrics, logLoss: 0.1 }) });
    expect(codesOf(await verdictOf(atTheEnd))).toEqual(['LINEAGE']);
  });

  test('is found: another model', async () => {
    const verdict = await verdictOf(makeRun({ artefact: () => 'c'.repeat(64) }));
    expect(codesOf(verdict)).toEqual(['LINEAGE']);
    expect(verdict.sumsRecomputed).toBe(5);
  });

  test('is found: a model before the program has ended', async () => {
    const verdict = await verdictOf(makeRun({ rounds: 3 }));
    expect(codesOf(verdict)).toEqual(['LINEAGE']);
  });

  test.each([
    ['no contract', utf8('{"v":1}')],
    ['not JSON', utf8('contract')],
  ])('is found: a plan whose contract is %s', async (_what, bytes) => {
    const verdict = await verdictOf(makeRun({ contract: bytes }));
    expect(verdict.findings).toHaveLength(1);
    expect(verdict.roundsClosed).toBe(0);
  });

  test('is found: a contract that is valid but not the one that was used', async () => {
    const wider = dataContract.parse({
      ...contract,
      features: [{ ...contract.features[0], name: 'b' }, contract.features[0]],
    });
    expect(contractHash(wider)).not.toBe(contractHash(contract));
    const verdict = await verdictOf(makeRun({ contract: contractBytes(wider) }));
    expect(codesOf(verdict)).toEqual(['LINEAGE']);
  });
});

describe('a body that is not there any more', () => {
  test('of a bank leaves that sum unchecked, and everything else checked', async () => {
    const verdict = await verdictOf(without(honest.inputs[3]!));
    expect(verdict).toMatchObject({ roundsClosed: 5, sumsRecomputed: 4, findings: [] });
    expect(verdict.notChecked).toEqual([expect.stringMatching(/^round 1: 1 of 2 bodies/)]);
  });

  test('of all banks leaves the lineage of questions and model checked', async () => {
    const verdict = await verdictOf(without(...honest.inputs));
    expect(verdict).toMatchObject({ roundsClosed: 5, sumsRecomputed: 0, findings: [] });
    expect(verdict.notChecked).toHaveLength(5);
    const wrongModel = makeRun({ artefact: () => 'c'.repeat(64) });
    const bodies = new Map([...wrongModel.bodies].filter(([root]) => !wrongModel.inputs.includes(root)));
    expect(codesOf(await verdictOf({ ...wrongModel, bodies }))).toEqual(['LINEAGE']);
  });

  test('which was a sum or the contract ends the check there, and is no accusation', async () => {
    for (const root of [honest.sums[1]!, honest.contractRoot]) {
      const verdict = await verdictOf(without(root));
      expect(verdict.findings).toEqual([]);
      expect(verdict.notChecked).toEqual([expect.stringContaining(root)]);
    }
    expect((await verdictOf(without(honest.sums[1]!))).roundsClosed).toBe(2);
  });

  test('does not hide what is wrong elsewhere', async () => {
    const evidence = withBody(honest.inputs[6]!, (bytes) => flipped(bytes, 16));
    evidence.bodies.delete(honest.inputs[0]!);
    const verdict = await verdictOf(evidence);
    expect(codesOf(verdict)).toEqual(['VECROOT']);
    expect(verdict.notChecked).toHaveLength(1);
  });
});
