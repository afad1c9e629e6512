/**
 * Is the announced sum of a masked round the sum of the vectors this bank has certified? By their sketches where the
 * coordinator has claimed their masked sum (shared/secure-sum/vector-sketch.ts says what that proves), else by reading
 * all of them.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { SLICE_WORDS, sketchVector } from '#participant-agent/rounds/sketch-vector.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import type { MaskedSum, OpenRound } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { ifFitting, type RingWords } from '#shared/ring/encode.ts';
import { createWords, wordsOf } from '#shared/ring/ring-sum.ts';
import { StreamedSum } from '#shared/ring/streamed-sum.ts';
import { bytesOf, RootHasher } from '#shared/ring/vector-root.ts';
import { applyMasks, oppositeOf } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/masked-round.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import {
  isSameSketch,
  sketchOfWide,
  sumOfSketches,
  VectorSketcher,
  type Sketch,
} from '#shared/secure-sum/vector-sketch.ts';

/** To begin a key stream costs as much as to go on for a kilobyte or two. */
const SLICE_WORDS_MIN = 8192;

/** What the checks of one run's sums leave to the next. */
export interface CheckMemory {
  /** Written over: memory that is fresh from the system costs as much as a sum. */
  words?: RingWords;
  carries?: Uint8Array<ArrayBuffer>;
  /** Banks that have signed a sketch which is not their vector's. */
  readonly mistrusted: Set<ParticipantId>;
}

/** A sum as it was announced. */
export interface AnnouncedSum {
  readonly root: string;
  /** Hashes to `root`; written over. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * @throws FederationError VECROOT when the vectors give another sum, or the announced one is not the one that was
 *   claimed before it could be known: for what a quorum has certified there is one sum
 */
export async function compareSum(
  open: OpenRound,
  announced: AnnouncedSum,
  context: AgentContext,
  memory: CheckMemory,
): Promise<void> {
  const { maskedSum } = maskedOf(open).fixed!;
  if (maskedSum !== undefined) {
    if (await fitsSketches(open, maskedSum, announced.bytes, context, memory)) return;
    context.log.warn({ round: open.payload.round }, 'the claimed sum is no help: adding the vectors up');
  }
  const sum = await readVectors(open, context, memory);
  const hasher = new RootHasher();
  await applyInSlices(sum, masksOfSum(fixedSlot(open), revealedShares(open)), (slice) =>
    hasher.update(bytesOf(slice)),
  );
  const root = hasher.root();
  if (root === announced.root) return;
  throw new FederationError(
    'VECROOT',
    `round ${open.payload.round}: the certified vectors sum to ${root}, the coordinator announced ${announced.root}`,
  );
}

/**
 * Whether the sketches say that the claimed sum is the sum of the vectors. If those that were signed do not, their own
 * do, unless the claim is wrong: then nothing is known yet of the announced sum, which may be right modulo 2^32.
 * @throws FederationError VECROOT when the announced sum with its masks put back is not the claimed one
 */
async function fitsSketches(
  open: OpenRound,
  maskedSum: MaskedSum,
  announced: Uint8Array<ArrayBuffer>,
  context: AgentContext,
  memory: CheckMemory,
): Promise<boolean> {
  const challenge = fromHex(maskedOf(open).fixed!.hash);
  const words = wordsOf('u32', announced);
  const masks = oppositeOf(masksOfSum(fixedSlot(open), revealedShares(open)));
  const hasher = new RootHasher();
  const sketcher = new VectorSketcher(challenge);
  await applyInSlices(words, masks, (slice) => {
    hasher.update(bytesOf(slice));
    sketcher.add(slice as Uint32Array);
  });
  const found = hasher.root();
  if (found !== maskedSum.words) {
    const { round } = open.payload;
    throw new FederationError(
      'VECROOT',
      `round ${round}: with its masks the announced sum is ${found}, before they were opened the coordinator claimed ${maskedSum.words}`,
    );
  }
  const carries = await carriesOf(maskedSum, context, memory);
  if (carries?.length !== words.length) return false;
  const claimed = sketchOfWide(sketcher.sketch(), await sketchVector(carries, challenge));
  const sketches = await sketchesOfVectors(open, challenge, context, memory);
  const fit = (): boolean => isSameSketch(claimed, sumOfSketches([...sketches.values()]));
  if (fit()) return true;
  const { round } = open.payload;
  context.log.warn({ round }, 'the sketches of the vectors do not give the claimed sum: reading the vectors');
  await replaceWrongSketches(sketches, open, challenge, context, memory);
  return fit();
}

/** Undefined when the coordinator has lost them: the vectors say the same. */
async function carriesOf(
  maskedSum: MaskedSum,
  { bodies, signal, log }: AgentContext,
  memory: CheckMemory,
): Promise<Uint8Array | undefined> {
  try {
    return (memory.carries = await bodies.download(maskedSum.carries, signal, memory.carries));
  } catch (error) {
    if (signal.aborted || !(error instanceof FederationError)) throw error;
    log.warn({ err: error }, 'what is above the words of the claimed sum cannot be had: reading the vectors');
    return undefined;
  }
}

/**
 * Applies the masks in place, so many words at once that it takes a few ms; then other work has its turn.
 * @param visit takes what is done, while it is in the processor's cache
 */
async function applyInSlices(
  words: RingWords,
  masks: readonly Mask[],
  visit: (slice: RingWords) => void,
): Promise<void> {
  const wanted = Math.floor((8 * SLICE_WORDS) / Math.max(masks.length, 8));
  const step = Math.max(SLICE_WORDS_MIN, wanted - (wanted % 4)); // key streams start at multiples of 16 bytes
  for (let from = 0; from < words.length; from += step) {
    const slice = words.subarray(from, from + step);
    applyMasks(slice, masks, from);
    visit(slice);
    await breathe();
  }
}

/**
 * By roster index: of each survivor the sketch it signed; of one whose certificate came without, or too late, or who is
 * mistrusted, its vector's.
 */
async function sketchesOfVectors(
  open: OpenRound,
  challenge: Uint8Array,
  context: AgentContext,
  memory: CheckMemory,
): Promise<Map<number, Sketch>> {
  const { fixed, certificates } = maskedOf(open);
  const sketches = new Map<number, Sketch>();
  for (const index of fixed!.survivors) {
    const signed = memory.mistrusted.has(open.roster[index]!) ? undefined : certificates.get(index);
    sketches.set(index, signed ?? (await sketchOfVector(open, index, challenge, context, memory)));
  }
  return sketches;
}

/** Holds what was signed against the vectors, and mistrusts whoever signed something else. */
async function replaceWrongSketches(
  sketches: Map<number, Sketch>,
  open: OpenRound,
  challenge: Uint8Array,
  context: AgentContext,
  memory: CheckMemory,
): Promise<void> {
  const { certificates } = maskedOf(open);
  for (const [index, sketch] of sketches) {
    if (sketch !== certificates.get(index)) continue;
    const right = await sketchOfVector(open, index, challenge, context, memory);
    if (isSameSketch(sketch, right)) continue;
    const bank = open.roster[index]!;
    sketches.set(index, right);
    memory.mistrusted.add(bank);
    context.log.warn(
      { round: open.payload.round, bank },
      'this bank signed a sketch that is not the one of its vector: its vectors are read from now on',
    );
  }
}

async function sketchOfVector(
  open: OpenRound,
  index: number,
  challenge: Uint8Array,
  context: AgentContext,
  memory: CheckMemory,
): Promise<Sketch> {
  return sketchVector((await readVectors(open, context, memory, index)) as Uint32Array, challenge);
}

/**
 * The sum of the survivors' vectors, with masks.
 * @param of one survivor: its vector alone
 */
async function readVectors(
  open: OpenRound,
  { bodies, signal }: AgentContext,
  memory: CheckMemory,
  of?: number,
): Promise<RingWords> {
  const { ring, length } = open.payload.question;
  const wanted = of === undefined ? maskedOf(open).fixed!.survivors : [of];
  const roots = wanted.map((index) => open.inputs.get(index)!.vectorRoot);
  const words = (memory.words = ifFitting(memory.words, ring, length) ?? createWords(ring, length));
  let streamed = new StreamedSum(ring, roots, words);
  const begin = (): ((piece: Uint8Array) => void) => {
    streamed = new StreamedSum(ring, roots, words); // every attempt starts from nothing
    return (piece) => streamed.take(piece);
  };
  await bodies.downloadVectors(open.hash, signal, begin, of);
  return streamed.whole();
}
