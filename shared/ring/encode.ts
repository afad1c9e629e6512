/** Numbers → ring words. See `field.ts` for the layout and the bound. */
import { vectorLength, type Field, type Ring } from '#shared/ring/field.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export type RingWords = Uint32Array | BigUint64Array;

export type FieldValues = Readonly<Record<string, Float32Array | Float64Array>>;

/**
 * @param values one array for each field, of exactly its length
 * @param roundingSeed seeds stochastic rounding, so that an answer computed again is byte-identical
 * @throws FederationError SHAPE | NON_FINITE
 */
export function encodeFields(
  values: FieldValues,
  fields: readonly Field[],
  ringName: Ring,
  roundingSeed: string,
): RingWords {
  const length = vectorLength(fields);
  const words = ringName === 'u32' ? new Uint32Array(length).fill(0) : new BigUint64Array(length);
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
const PER_UINT32 = 1 / 4_294_967_296; // written out in the loop, `2 ** -32` costs a call to pow

/**
 * Works block by block: random words come by the block, and copying each block to float64 keeps the inner
 * loop on one element type. Stores int32, which V8 keeps unboxed.
 */
function encode32(
  source: Float32Array | Float64Array,
  field: Field,
  words: Int32Array,
  offset: number,
  generator: SeededGenerator,
): void {
  const block = new Float64Array(BLOCK);
  const thresholds = new Uint32Array(BLOCK).fill(2 ** 31); // of 2^32: one half, which rounds to nearest
  for (let start = 0; start < source.length; start += BLOCK) {
    const part = source.subarray(start, start + BLOCK);
    block.set(part);
    if (field.rounding === 'stochastic') generator.fill(thresholds);
    const finite = encodeBlock(
      block,
      part.length,
      thresholds,
      field.scale,
      field.clip,
      words,
      offset + start,
    );
    if (!finite) throw notFinite(field, start + part.findIndex((x) => !Number.isFinite(x)));
  }
}

function encodeBlock(
  block: Float64Array,
  length: number,
  thresholds: Uint32Array,
  scale: number,
  clip: number,
  words: Int32Array,
  offset: number,
): boolean {
  let excess = 0; // x - x is 0, or NaN for NaN and for ±∞, which the clamp would hide
  for (let i = 0; i < length; i++) {
    const x = block[i]!;
    excess += x - x;
    const clamped = x > clip ? clip : x < -clip ? -clip : x;
    words[offset + i] = Math.floor(clamped * scale + thresholds[i]! * PER_UINT32) | 0;
  }
  return excess === 0;
}

function encode64(
  source: Float32Array | Float64Array,
  field: Field,
  words: BigUint64Array,
  offset: number,
): void {
  const { scale, clip } = field;
  for (let i = 0; i < source.length; i++) {
    const x = source[i]!;
    if (!Number.isFinite(x)) throw notFinite(field, i);
    const clamped = x > clip ? clip : x < -clip ? -clip : x;
    words[offset + i] = BigInt(Math.floor(clamped * scale + 0.5)); // stored modulo 2^64
  }
}

function notFinite(field: Field, index: number): FederationError {
  return new FederationError('NON_FINITE', `field "${field.name}": element ${index} is NaN or infinite`);
}
