/** The sketch of a vector of any length, made beside other work. */
import { setImmediate as breathe } from 'node:timers/promises';
import { VectorSketcher, type Sketch } from '#shared/secure-sum/vector-sketch.ts';

/** Words worked on at once: a few ms, then other work has its turn. */
export const SLICE_WORDS = 262_144;

/**
 * @param words or bytes, each of which is taken for a word
 * @param challenge the hash of the survivors, 32 bytes
 */
export async function sketchVector(words: Uint32Array | Uint8Array, challenge: Uint8Array): Promise<Sketch> {
  const sketcher = new VectorSketcher(challenge);
  for (let from = 0; from < words.length; from += SLICE_WORDS) {
    const slice = words.subarray(from, from + SLICE_WORDS);
    sketcher.add(slice instanceof Uint32Array ? slice : Uint32Array.from(slice));
    await breathe();
  }
  return sketcher.sketch();
}
