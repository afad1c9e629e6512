/**
 * What a bank answers when a test is not about training: plausible figures for each field of any question of
 * `fedavg`, a function of the bank's name only. Every value is a whole number after scaling, so stochastic
 * rounding leaves it alone and the same banks give the same sums in every run.
 */
import type { AskedQuestion } from '#models/run-machine.ts';
import type { Answer, CreateAnswerer, Question } from '#models/program.ts';
import { withTrainingCounts } from '#models/testing/training-counts.ts';
import { encodeFields, type RingWords } from '#shared/ring/encode.ts';
import type { Field } from '#shared/ring/field.ts';
import { createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export function stubAnswer(question: Question, bank: string): Answer {
  const fields = question.fields.map((field) => [field.name, stubField(field, bank)]);
  return withTrainingCounts(Object.fromEntries(fields) as Record<string, Float64Array>);
}

export const stubAnswerer =
  (bank: string): CreateAnswerer =>
  () =>
    Promise.resolve({
      answer: (question) => Promise.resolve(stubAnswer(question, bank)),
      dispose() {},
    });

export interface StubBody {
  readonly bytes: Uint8Array;
  readonly root: string;
}

/** The answer as the body that is uploaded. */
export function stubBody(question: Question, bank: string): StubBody {
  return bodyOf(encodeFields(stubAnswer(question, bank), question.fields, question.ring, 'unused'));
}

export function bodyOf(words: ArrayBufferView): StubBody {
  return { bytes: bytesOf(words), root: vectorRoot(words) };
}

/** Root of what the answers of these banks add up to. */
export function stubSumRoot(asked: AskedQuestion, banks: readonly string[]): string {
  return bodyOf(stubSum(asked, banks)).root;
}

/** What the answers of these banks add up to. */
export function stubSum({ question, length }: AskedQuestion, banks: readonly string[]): RingWords {
  const sum = createWords(question.ring, length);
  for (const bank of banks) {
    const words = encodeFields(stubAnswer(question, bank), question.fields, question.ring, 'unused');
    for (let i = 0; i < length; i++) {
      if (sum instanceof BigUint64Array) sum[i] = sum[i]! + (words[i] as bigint);
      else sum[i] = sum[i]! + (words[i] as number);
    }
  }
  return sum;
}

function stubField({ name, length }: Field, bank: string): Float64Array {
  const generator = new SeededGenerator('stub', bank, name);
  const rows = 20 + (new SeededGenerator('stub', bank, 'rows').nextUint32() % 8);
  switch (name) {
    case 'rows':
    case 'present':
      return new Float64Array(length).fill(rows);
    case 'bads':
      return Float64Array.of(5);
    case 'totals':
      return Float64Array.from({ length }, () => 5 + (generator.nextUint32() % 64) / 16);
    case 'squares':
      return Float64Array.from({ length }, () => 1 + (generator.nextUint32() % 64) / 64);
    case 'exampleCount':
      return Float64Array.of(rows - 4);
    case 'delta':
      return Float64Array.from({ length }, () => ((generator.nextUint32() % 2048) - 1024) / 2 ** 16);
    case 'holdoutBad':
    case 'holdoutGood': {
      const counts = new Float64Array(length);
      counts[Math.floor(length / 2) + (name === 'holdoutBad' ? 5 : -5)] = 2;
      return counts;
    }
    default:
      return new Float64Array(length).fill(1.5);
  }
}
