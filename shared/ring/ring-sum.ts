/** The sum of the banks' vectors, and how a program reads it. */
import { FederationError } from '#shared/protocol/error-codes.ts';
import { fieldLimit, vectorLength, wordBytes, type Field, type Ring } from '#shared/ring/field.ts';
import type { RingWords } from '#shared/ring/encode.ts';

export function createWords(ringName: Ring, length: number): RingWords {
  return ringName === 'u32' ? new Uint32Array(length) : new BigUint64Array(length);
}

/** Views bytes as ring words without a copy when they are aligned, with one otherwise. */
export function wordsOf(ringName: Ring, bytes: Uint8Array): RingWords {
  const size = wordBytes(ringName);
  if (bytes.byteLength % size !== 0) {
    throw new FederationError('SHAPE', `expected a multiple of ${size} bytes, got ${bytes.byteLength}`);
  }
  // not `slice`, which for a Buffer is another view of the same bytes
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const length = aligned.byteLength / size;
  return ringName === 'u32'
    ? new Uint32Array(aligned.buffer, aligned.byteOffset, length)
    : new BigUint64Array(aligned.buffer, aligned.byteOffset, length);
}

/** `sum[offset + i] = part[i]`. */
export function writeInto(sum: RingWords, part: RingWords, offset = 0): void {
  if (sum instanceof Uint32Array && part instanceof Uint32Array) sum.set(part, offset);
  else if (sum instanceof BigUint64Array && part instanceof BigUint64Array) sum.set(part, offset);
  else throw differentRings();
}

/** `sum[offset + i] += part[i]` modulo 2^w. */
export function addInto(sum: RingWords, part: RingWords, offset = 0): void {
  const [into, from] = [signedView(sum), signedView(part)];
  const end = offset + from.length;
  if (into instanceof Int32Array && from instanceof Int32Array) add32(into.subarray(offset, end), from);
  else if (into instanceof BigInt64Array && from instanceof BigInt64Array)
    add64(into.subarray(offset, end), from);
  else throw differentRings();
}

function differentRings(): FederationError {
  return new FederationError('SHAPE', 'cannot add vectors of different rings');
}

// One function for each element type, on signed views: V8 keeps int32 unboxed where uint32 sums become
// float64, which is six times slower; two's complement makes the bits the same.
/** `into[i] += part[i]` modulo 2^32. */
export function add32(into: Int32Array, part: Int32Array): void {
  const { length } = into;
  const whole = length - (length % 4);
  let i = 0;
  // four at a time takes three fifths of the time
  for (; i < whole; i += 4) {
    into[i] = (into[i]! + part[i]!) | 0;
    into[i + 1] = (into[i + 1]! + part[i + 1]!) | 0;
    into[i + 2] = (into[i + 2]! + part[i + 2]!) | 0;
    into[i + 3] = (into[i + 3]! + part[i + 3]!) | 0;
  }
  for (; i < length; i++) into[i] = (into[i]! + part[i]!) | 0;
}

/** `into[i] += part[i]` modulo 2^64. */
export function add64(into: BigInt64Array, part: BigInt64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = into[i]! + part[i]!;
}

/**
 * Checks words of one unmasked vector, which may be a slice of it starting at word `offset`, against what
 * one bank may send. Masked vectors are uniform: for them only the checks of `RingSum` say anything.
 * @throws FederationError CANARY | RANGE naming the field and the word
 */
export function assertWithinLimits(words: RingWords, offset: number, fields: readonly Field[]): void {
  const signed = signedView(words);
  if (offset === 0 && Number(signed[0]) !== 1) {
    throw new FederationError('CANARY', `expected the canary word to be 1, got ${words[0]}`);
  }
  let start = 1;
  for (const field of fields) {
    const from = Math.max(start, offset);
    const to = Math.min(start + field.length, offset + words.length);
    const bad = firstBeyond(signed, from - offset, to - offset, fieldLimit(field));
    if (bad >= 0) {
      throw new FederationError(
        'RANGE',
        `field "${field.name}": word ${bad + offset - start} is outside ±${fieldLimit(field)}`,
      );
    }
    start += field.length;
  }
}

function firstBeyond(words: Int32Array | BigInt64Array, from: number, to: number, limit: number): number {
  if (words instanceof Int32Array) {
    // |w| ≤ limit in one comparison: limit is below 2^31, so w + limit read as unsigned is at most 2·limit
    const span = 2 * limit;
    let i = from;
    for (; i + 4 <= to; i += 4) {
      if (
        (words[i]! + limit) >>> 0 > span ||
        (words[i + 1]! + limit) >>> 0 > span ||
        (words[i + 2]! + limit) >>> 0 > span ||
        (words[i + 3]! + limit) >>> 0 > span
      )
        break;
    }
    for (; i < to; i++) if ((words[i]! + limit) >>> 0 > span) return i;
    return -1;
  }
  // from 2^53 on the two halves make a rounded number, which is beyond every limit just the same
  const halves = halvesOf(words);
  for (let i = from; i < to; i++) {
    const word = numberAt(halves, i);
    if (word > limit || word < -limit) return i;
  }
  return -1;
}

/** Low and high 32 bits of each word in turn. */
function halvesOf(words: BigInt64Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, 2 * words.length);
}

/** Word `index` as a number, exact below 2^53, in a seventh of the time that Number(bigint) takes. */
function numberAt(halves: Int32Array, index: number): number {
  return halves[2 * index + 1]! * 4_294_967_296 + (halves[2 * index]! >>> 0);
}

function signedView(words: RingWords): Int32Array | BigInt64Array {
  return words instanceof Uint32Array
    ? new Int32Array(words.buffer, words.byteOffset, words.length)
    : new BigInt64Array(words.buffer, words.byteOffset, words.length);
}

/** The decoded answer to a question: integers in two's complement, and numbers in the field's unit. */
export class RingSum {
  readonly words: RingWords;
  readonly fields: readonly Field[];
  /** Banks in the sum, as the canary counted them. */
  readonly banks: number;
  private readonly signed: Int32Array | BigInt64Array;

  /**
   * @param banks how many banks the sum must contain
   * @throws FederationError SHAPE | CANARY | RANGE: a mask that did not cancel, or a wrapped sum
   */
  constructor(words: RingWords, fields: readonly Field[], banks: number) {
    if (words.length !== vectorLength(fields)) {
      throw new FederationError('SHAPE', `expected ${vectorLength(fields)} words, got ${words.length}`);
    }
    this.words = words;
    this.fields = fields;
    this.signed = signedView(words);
    this.banks = Number(this.signed[0]);
    if (this.banks !== banks) {
      throw new FederationError('CANARY', `expected a sum of ${banks} banks, the canary says ${this.banks}`);
    }
    let start = 1;
    for (const field of fields) {
      const bad = firstBeyond(this.signed, start, start + field.length, banks * fieldLimit(field));
      if (bad >= 0) {
        throw new FederationError(
          'RANGE',
          `the sum of field "${field.name}" is beyond what ${banks} banks may send`,
        );
      }
      start += field.length;
    }
  }

  /** The field's summed integers (value × scale), a view into the sum. For u32 only; u64 has `numbers`. */
  integers(name: string): Int32Array {
    const { start, field } = this.locate(name);
    if (!(this.signed instanceof Int32Array)) throw new TypeError(`field "${name}" is in the u64 ring`);
    return this.signed.subarray(start, start + field.length);
  }

  /** The field's sum in its own unit. Exact for integers: overflow bounds keep them below 2^53. */
  numbers(name: string): Float64Array {
    const { start, field } = this.locate(name);
    const out = new Float64Array(field.length);
    if (this.signed instanceof Int32Array) {
      for (let i = 0; i < out.length; i++) out[i] = this.signed[start + i]! / field.scale;
      return out;
    }
    const halves = halvesOf(this.signed);
    for (let i = 0; i < out.length; i++) out[i] = numberAt(halves, start + i);
    if (field.scale !== 1) for (let i = 0; i < out.length; i++) out[i] = out[i]! / field.scale;
    return out;
  }

  /** The sum of a field of length 1. */
  number(name: string): number {
    return this.numbers(name)[0]!;
  }

  private locate(name: string): { start: number; field: Field } {
    let start = 1;
    for (const field of this.fields) {
      if (field.name === name) return { start, field };
      start += field.length;
    }
    throw new RangeError(`the question has no field "${name}"`);
  }
}
