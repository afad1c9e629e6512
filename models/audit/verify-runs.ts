/**
 * The arithmetic an auditor repeats: each round's sum from the bodies the banks signed, each question and the
 * final model from the sums. Same code as the coordinator and the agents, so the same bits.
 */
import { RunMachine } from '#models/run-machine.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import type { FederationState, PastRound, Run } from '#shared/ledger/federation-state.ts';
import { asFinding, type Finding } from '#shared/ledger/verify-history.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { addInto, assertWithinLimits, createWords, wordsOf } from '#shared/ring/ring-sum.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';
import type { RingWords } from '#shared/ring/encode.ts';

/** Where bodies come from: pieces whose lengths are multiples of 8 but for the last, or undefined. */
export type BodySource = (root: string) => AsyncIterable<Uint8Array> | undefined;

export interface RunVerdict {
  readonly run: string;
  readonly name: string;
  readonly outcome: 'open' | 'completed' | 'stopped' | 'failed';
  readonly roundsClosed: number;
  /** Rounds whose sum was recomputed from the banks' bodies. */
  readonly sumsRecomputed: number;
  /** Completed runs: who cosigned the ledger at its end. The ledger's rules demand a quorum. */
  readonly cosigned:
    { readonly entries: number; readonly by: readonly string[]; readonly of: number } | undefined;
  readonly findings: readonly Finding[];
  /** What could not be checked for want of a body, as sentences. */
  readonly notChecked: readonly string[];
}

/** How much of the arithmetic to repeat. */
export interface Extent {
  /** Whether the sum of this round is recomputed from the banks' bodies. */
  readonly isWanted: (run: Run, past: PastRound) => boolean;
  /** Called after each round. */
  readonly onRound: (run: Run, past: PastRound) => void;
}

const EVERYTHING: Extent = { isWanted: () => true, onRound: () => {} };

/** Checks all runs, one after the other. */
export async function verifyRuns(
  state: FederationState,
  bodies: BodySource,
  extent = EVERYTHING,
): Promise<RunVerdict[]> {
  const verdicts: RunVerdict[] = [];
  for (const run of state.runs.values()) verdicts.push(await verifyRun(run, bodies, extent));
  return verdicts;
}

async function verifyRun(run: Run, bodies: BodySource, extent: Extent): Promise<RunVerdict> {
  const tally: Tally = { findings: [], notChecked: [], roundsClosed: 0, sumsRecomputed: 0 };
  try {
    if (run.roster.length > 0) await replay(run, bodies, extent, tally);
  } catch (error) {
    if (error instanceof FederationError && error.code === 'NOT_FOUND')
      tally.notChecked.push(`${error.message}${expiry(run)}: nothing after it was replayed`);
    else tally.findings.push(asFinding(error));
  }
  const { checkpoint, phase, roster } = run;
  const outcome = phase.name === 'finished' ? phase.result.outcome : 'open';
  const cosigned = outcome === 'completed' &&
    checkpoint !== undefined && {
      entries: checkpoint.payload.head.size,
      by: [...checkpoint.cosignatures.keys()].sort((x, y) => x - y).map((index) => roster[index]!),
      of: roster.length,
    };
  return { run: run.id, name: run.plan.name, outcome, cosigned: cosigned || undefined, ...tally };
}

interface Tally {
  readonly findings: Finding[];
  readonly notChecked: string[];
  roundsClosed: number;
  sumsRecomputed: number;
}

/** The program again, from the plan to the model. */
async function replay(run: Run, bodies: BodySource, extent: Extent, tally: Tally): Promise<void> {
  const contract = await readBody(run.plan.contract, bodies);
  const machine = new RunMachine(
    run.plan,
    dataContract.parse(JSON.parse(new TextDecoder().decode(contract))),
    run.roster.length,
  );
  for (const past of run.past) {
    assertAsked(machine, past);
    if (past.end.outcome === 'void') continue;
    tally.roundsClosed++;
    const missing = [...past.open.inputs.values()].filter(
      ({ vectorRoot }) => bodies(vectorRoot) === undefined,
    );
    const { round } = past.open.payload;
    if (!extent.isWanted(run, past)) {
      tally.notChecked.push(`round ${round}: not in the sample, its sum was not recomputed`);
    } else if (missing.length > 0) {
      tally.notChecked.push(
        `round ${round}: ${missing.length} of ${past.open.inputs.size} bodies are not here${expiry(run)}, its sum was not recomputed`,
      );
    } else {
      await recomputeSum(machine, past, bodies);
      tally.sumsRecomputed++;
    }
    const { sumRoot, survivors } = past.end.payload;
    const sum = await readBody(sumRoot, bodies);
    machine.next(wordsOf(machine.asked!.question.ring, sum), survivors.length, sumRoot);
    extent.onRound(run, past);
  }
  assertResult(machine, run);
}

function expiry({ expiredAt }: Run): string {
  return expiredAt === undefined
    ? ''
    : ` (body expired on ${new Date(expiredAt).toISOString().slice(0, 10)})`;
}

/** @throws FederationError LINEAGE when the question is not the one that follows from the sums before */
function assertAsked(machine: RunMachine, past: PastRound): void {
  const { question, round, metrics } = past.open.payload;
  const { asked } = machine;
  // its kind, ring and length follow from the hash, but are said beside it
  const isAsked =
    asked?.hash === question.hash &&
    asked.question.kind === question.kind &&
    asked.question.ring === question.ring &&
    asked.length === question.length;
  if (!isAsked || canonicalJson(metrics) !== canonicalJson(machine.metrics)) {
    throw new FederationError(
      'LINEAGE',
      `round ${round}: the question asked is not the one that follows from the sums before it`,
    );
  }
}

/** @throws FederationError when the sum is another */
async function recomputeSum(machine: RunMachine, past: PastRound, bodies: BodySource): Promise<void> {
  const { asked } = machine;
  const { round } = past.open.payload;
  const sum = createWords(asked!.question.ring, asked!.length);
  for (const { vectorRoot } of past.open.inputs.values()) {
    let offset = 0;
    const root = await visit(vectorRoot, bodies, (bytes) => {
      const words = wordsOf(asked!.question.ring, bytes);
      if (offset + words.length > sum.length)
        throw new FederationError('SHAPE', `round ${round}: a body is longer than its question`);
      if (past.open.masked === undefined) assertWithinLimits(words, offset, asked!.question.fields);
      addInto(sum, words, offset);
      offset += words.length;
    });
    if (root !== vectorRoot)
      throw new FederationError('VECROOT', `round ${round}: the body ${vectorRoot} hashes to ${root}`);
    if (offset !== sum.length)
      throw new FederationError(
        'SHAPE',
        `round ${round}: the body ${vectorRoot} has ${offset} words, not ${sum.length}`,
      );
  }
  if (past.open.masked !== undefined) {
    applyMasks(sum, masksOfSum(fixedSlot(past.open), revealedShares(past.open)));
  }
  assertSumRoot(sum, past);
}

function assertSumRoot(sum: RingWords, past: PastRound): void {
  const hasher = new RootHasher();
  hasher.update(new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength));
  const root = hasher.root();
  if (past.end.outcome === 'closed' && root !== past.end.payload.sumRoot) {
    throw new FederationError(
      'VECROOT',
      `round ${past.open.payload.round}: the bodies sum to ${root}, the ledger says ${past.end.payload.sumRoot}`,
    );
  }
}

/** @throws FederationError LINEAGE when the announced model does not follow from the sums */
function assertResult(machine: RunMachine, run: Run): void {
  if (run.phase.name !== 'finished' || run.phase.result.outcome !== 'completed') return;
  const { result } = run.phase;
  if (
    machine.finished?.root !== result.artefact ||
    canonicalJson(machine.metrics) !== canonicalJson(result.metrics)
  ) {
    throw new FederationError(
      'LINEAGE',
      `the sums lead to the model ${machine.finished?.root ?? 'none yet'}, the ledger announces ${result.artefact}`,
    );
  }
}

/** The whole body. @throws FederationError NOT_FOUND | VECROOT */
async function readBody(root: string, bodies: BodySource): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const found = await visit(root, bodies, (bytes) => pieces.push(new Uint8Array(bytes)));
  if (found !== root) throw new FederationError('VECROOT', `the body ${root} hashes to ${found}`);
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Calls `take` with each piece. @returns the root of what was read */
async function visit(root: string, bodies: BodySource, take: (bytes: Uint8Array) => void): Promise<string> {
  const pieces = bodies(root);
  if (pieces === undefined) throw new FederationError('NOT_FOUND', `the body ${root} is not in the bundle`);
  const hasher = new RootHasher();
  for await (const piece of pieces) {
    hasher.update(piece);
    take(piece);
  }
  return hasher.root();
}
