/** What is done to each word of a sum, held against copying the same bytes. */
import { addCounting, addInto } from '#shared/ring/ring-sum.ts';
import { VectorSketcher } from '#shared/secure-sum/vector-sketch.ts';

const WORDS = 1e7;
const REPEATS = 9;

export interface SumCost {
  readonly megabytes: number;
  /** Time of adding over time of copying, both the best of several. */
  readonly ratio: number;
  /** The same where carries are counted: large masked vectors. */
  readonly countingRatio: number;
  /** Of sketching a vector. */
  readonly sketchRatio: number;
  readonly addSeconds: number;
}

export function benchSum(): SumCost {
  const sum = new Uint32Array(WORDS).fill(1);
  const part = new Uint32Array(WORDS).map((_, i) => Math.imul(i, 2_654_435_761));
  const copy = new Uint32Array(WORDS).fill(1);
  const add = best(() => addInto(sum, part));
  const plain = best(() => copy.set(part));
  const carries = new Uint8Array(WORDS);
  const counting = best(() => addCounting(sum, carries, part));
  const sketch = best(() => new VectorSketcher(new Uint8Array(32)).add(part));
  return {
    megabytes: (WORDS * 4) / 1e6,
    ratio: add / plain,
    countingRatio: counting / plain,
    sketchRatio: sketch / plain,
    addSeconds: add,
  };
}

function best(work: () => void): number {
  let shortest = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const started = performance.now();
    work();
    shortest = Math.min(shortest, performance.now() - started);
  }
  return shortest / 1000;
}
