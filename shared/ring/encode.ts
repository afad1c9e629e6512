/** Numbers → ring words. See `field.ts` for the layout and the bound. */
import { vectorLength, wordBytes, type Field, type Ring } from '#shared/ring/field.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export type RingWords = Uint32Array | BigUint64Array;

export type FieldValues = Readonly<Record<string, Float32Array | Float64Array>>;

/** The vector of an earlier round, to be written over, if it fits. */
export function ifFitting(
  reuse: RingWords | undefined,
  ringName: Ring,
  length: number,
): RingWords | undefined {
  return reuse?.length === length && reuse.BYTES_PER_ELEMENT === wordBytes(ringName) ? reuse : undefined;
}

/**
 * @param values one array for each field, of exactly its length
 * @param reuse a vector of an earlier answer, to be overwritten if it fits
 * @param roundingSeed seeds stochastic rounding, so that an answer computed again is byte-identical
 * @throws FederationError SHAPE | NON_FINITE
 */
export function encodeFields(
  values: FieldValues,
  fields: readonly Field[],
  ringName: Ring,
  roundingSeed: string,
  reuse?: RingWords,
): RingWords {
  const length = vectorLength(fields);
  const words =
    ifFitting(reuse, ringName, length) ??
    (ringName === 'u32' ? new Uint32Array(length) : new BigUint64Array(length));
  if (words instanceof Uint32Array) words[0] = 1;
  else words[0] = 1n;
  const generator = new SeededGenerator('stochastic-rounding', roundingSeed);
  let offset = 1;
  for (const field of fields) {
    const source = values[field.name];
    if (source?.length !== field.length) {
      throw new FederationError(
        'SHAPE',
        `field "${field.name}": expected ${field.length} values, got ${source?.length ?? 'none'}`,
      );
    }
    if (words instanceof BigUint64Array) encode64(source, field, words, offset);
    else encode32(source, field, new Int32Array(words.buffer), offset, generator);
    offset += field.length;
  }
  return words;
}

const BLOCK = 4096;
const TWO_32 = 4_294_967_296;
const PER_UINT16 = 1 / 65_536; // written out in the loop, `2 ** -16` costs a call to pow

/**
 * Works block by block: random words come by the block, two thresholds of 16 bits from each, and copying each
 * block to float64 keeps the inner loop on one element type.
 */
function encode32(
  source: Float32Array | Float64Array,
  field: Field,
  words: Int32Array,
  offset: number,
  generator: SeededGenerator,
): void {
  const { scale, clip } = field;
  const block = new Float64Array(BLOCK);
  const random = new Uint32Array(BLOCK / 2);
  const thresholds = new Uint16Array(random.buffer).fill(2 ** 15); // one half: rounds to nearest
  for (let start = 0; start < source.length; start += BLOCK) {
    const part = source.subarray(start, start + BLOCK);
    block.set(part);
    if (field.rounding === 'stochastic') generator.fill(random);
    const at = offset + start;
    for (let i = 0; ; i++) {
      i = encodeRun(block, i, part.length, thresholds, scale, clip, words, at);
      if (i === part.length) break;
      // the loop stops at values beyond ±clip, which are rare: here they are clamped, or refused
      const x = block[i]!;
      if (!Number.isFinite(x)) throw notFinite(field, start + i);
      words[at + i] = Math.floor((x < 0 ? -clip : clip) * scale + thresholds[i]! * PER_UINT16);
    }
  }
}

/**
 * Encodes until the first value beyond ±clip (or NaN) and returns its index, or `end`. Without the clamp in
 * it the loop takes 3 ms a million words instead of 7.
 */
function encodeRun(
  block: Float64Array,
  from: number,
  end: number,
  thresholds: Uint16Array,
  scale: number,
  clip: number,
  words: Int32Array,
  offset: number,
): number {
  for (let i = from; i < end; i++) {
    const x = block[i]!;
    if (!(x <= clip && x >= -clip)) return i;
    words[offset + i] = Math.floor(x * scale + thresholds[i]! * PER_UINT16);
  }
  return end;
}

/**
 * Writes each integer as two halves, which takes a sixth of the time of a BigInt. Both are exact: the bound of
 * `field.ts` keeps |x| below 2^53.
 */
function encode64(
  source: Float32Array | Float64Array,
  field: Field,
  words: BigUint64Array,
  offset: number,
): void {
  const { scale, clip } = field;
  const halves = new Int32Array(words.buffer, words.byteOffset, 2 * words.length);
  let at = 2 * offset;
  for (let i = 0; i < source.length; i++) {
    let x = source[i]!;
    if (!(x <= clip && x >= -clip)) {
      if (!Number.isFinite(x)) throw notFinite(field, i);
      x = x < 0 ? -clip : clip;
    }
    const integer = Math.floor(x * scale + 0.5);
    const high = Math.floor(integer / TWO_32);
    halves[at++] = integer - high * TWO_32; // stored modulo 2^32, and so is `high`: two's complement
    halves[at++] = high;
  }
}

function notFinite(field: Field, index: number): FederationError {
  return new FederationError('NON_FINITE', `field "${field.name}": element ${index} is NaN or infinite`);
}
