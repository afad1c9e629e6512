import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import type { Ring } from '#shared/ring/field.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { StreamedSum } from '#shared/ring/streamed-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

const COUNT = 4;

function vectorsOf(ring: Ring, length: number) {
  const generator = new SeededGenerator('streamed', ring, String(length));
  const vectors = Array.from({ length: COUNT }, () => {
    const words = createWords(ring, length);
    const bytes = bytesOf(words);
    for (let i = 0; i < bytes.length; i++) bytes[i] = generator.nextUint32();
    return words;
  });
  const sum = createWords(ring, length);
  for (const vector of vectors) addInto(sum, vector);
  return { sum, stream: Buffer.concat(vectors.map(bytesOf)), roots: vectors.map(vectorRoot) };
}

/** Cut at these places, as sockets give them: Buffers, at any address. */
function piecesOf(stream: Buffer, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...new Set(cuts.map((cut) => cut % stream.length)), stream.length].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => {
    const start = places[i]!;
    const piece = Buffer.from(new ArrayBuffer(end - start + 1), i % 2, end - start);
    piece.set(stream.subarray(start, end));
    return piece;
  });
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FederationError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe.each(['u32', 'u64'] as const)('a streamed sum in %s', (ring) => {
  const { sum, stream, roots } = vectorsOf(ring, 37);
  const summed = (pieces: readonly Uint8Array[], expected = roots) => {
    const memory = createWords(ring, 37);
    bytesOf(memory).fill(0xa5); // of an earlier sum
    const streamed = new StreamedSum(ring, expected, memory);
    for (const piece of pieces) streamed.take(piece);
    return streamed.whole();
  };

  test('is that of the vectors, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 40 }), (cuts) => {
        expect(summed(piecesOf(stream, cuts))).toEqual(sum);
      }),
    );
    expect(summed([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(sum);
  });

  test('is none when a bit is another, wherever it is', () => {
    fc.assert(
      fc.property(fc.nat(stream.length * 8 - 1), fc.array(fc.nat(), { maxLength: 9 }), (bit, cuts) => {
        const changed = Buffer.from(stream);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(codeOf(() => summed(piecesOf(changed, cuts)))).toBe('VECROOT');
      }),
    );
  });

  test('is none when vectors are missing, too many, or in another order', () => {
    const bytes = stream.length / COUNT;
    expect(codeOf(() => summed([stream.subarray(0, -1)]))).toBe('SHAPE');
    expect(codeOf(() => summed([stream.subarray(0, -bytes)]))).toBe('SHAPE');
    expect(codeOf(() => summed([]))).toBe('SHAPE');
    expect(codeOf(() => summed([stream, Uint8Array.of(0)]))).toBe('SHAPE');
    expect(codeOf(() => summed([stream], [...roots].reverse()))).toBe('VECROOT');
  });
});
