/**
 * Adds and subtracts key streams, read as little-endian words, to a vector modulo 2^w. The vector is walked
 * once, in pieces that stay in the processor's cache while all masks are applied to them: with eight banks
 * that is three times faster than walking it once for each mask.
 */
import { backend } from '#shared/crypto/backend.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { add32, add64 } from '#shared/ring/ring-sum.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

/** 64 KiB: fits the first-level cache's neighbour, and the size at which OpenSSL's key stream is fastest. */
const PIECE_BYTES = 65_536;
/** Of key stream in a slice. */
const SLICE_BYTES = 8_388_608;
/** To begin a key stream costs as much as to go on for a kilobyte or two. */
const SLICE_WORDS_MIN = 8192;

/**
 * Applies the masks to `words` in place.
 * @param fromWord position of the first word in the whole vector, a multiple of 16 bytes: key streams are
 *   seekable
 */
export function applyMasks(words: RingWords, masks: readonly Mask[], fromWord = 0): void {
  const streams = masks.map(({ key, sign }) => ({
    stream: backend.keyStream(key, fromWord * words.BYTES_PER_ELEMENT),
    sign,
  }));
  const pieceWords = PIECE_BYTES / words.BYTES_PER_ELEMENT;
  for (let start = 0; start < words.length; start += pieceWords) {
    const length = Math.min(pieceWords, words.length - start);
    const offset = words.byteOffset + start * words.BYTES_PER_ELEMENT;
    // signed views: V8 keeps int32 unboxed where uint32 sums become float64; the bits are the same
    if (words instanceof Uint32Array) {
      const piece = new Int32Array(words.buffer, offset, length);
      for (const { stream, sign } of streams) {
        const mask = int32Of(stream.next(length * 4));
        if (sign === 'add') add32(piece, mask);
        else subtract32(piece, mask);
      }
    } else {
      const piece = new BigInt64Array(words.buffer, offset, length);
      for (const { stream, sign } of streams) {
        const mask = int64Of(stream.next(length * 8));
        if (sign === 'add') add64(piece, mask);
        else subtract64(piece, mask);
      }
    }
  }
}

/**
 * Applies the masks to `words` in place, so many words at once that it takes a few ms: the caller lets other work have
 * its turn in between.
 * @returns each part that is done, in order
 */
export function* applyMasksInSlices(words: RingWords, masks: readonly Mask[]): Generator<RingWords> {
  const wanted = Math.floor(SLICE_BYTES / words.BYTES_PER_ELEMENT / Math.max(masks.length, 1));
  const step = Math.max(SLICE_WORDS_MIN, wanted - (wanted % 4)); // key streams start at multiples of 16 bytes
  for (let from = 0; from < words.length; from += step) {
    const slice = words.subarray(from, from + step);
    applyMasks(slice, masks, from);
    yield slice;
  }
}

// a key stream may come at any offset of a shared buffer
function int32Of(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

function int64Of(bytes: Uint8Array): BigInt64Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  return new BigInt64Array(aligned.buffer, aligned.byteOffset, aligned.length / 8);
}

// one function for each element type and sign: a function that sees two types runs several times slower
function subtract32(words: Int32Array, mask: Int32Array): void {
  const { length } = mask;
  const whole = length - (length % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    words[i] = (words[i]! - mask[i]!) | 0;
    words[i + 1] = (words[i + 1]! - mask[i + 1]!) | 0;
    words[i + 2] = (words[i + 2]! - mask[i + 2]!) | 0;
    words[i + 3] = (words[i + 3]! - mask[i + 3]!) | 0;
  }
  for (; i < length; i++) words[i] = (words[i]! - mask[i]!) | 0;
}

function subtract64(words: BigInt64Array, mask: BigInt64Array): void {
  for (let i = 0; i < mask.length; i++) words[i] = words[i]! - mask[i]!;
}
