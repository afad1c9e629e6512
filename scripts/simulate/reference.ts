/**
 * The yardsticks of a federated result: the same program through the same code, but with all rows in one
 * place, or with each bank's rows alone. No network, no coordinator, no masks.
 */
import { answererNamed } from '#models/answerers.ts';
import { parseArtefact } from '#models/artefact.ts';
import { exactMetrics, type ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { RunMachine, type FinishedModel } from '#models/run-machine.ts';
import { scorerOf } from '#models/scorer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { rowAt, type Table } from '#shared/contract/table.ts';
import { encodeFields, type RingWords } from '#shared/ring/encode.ts';
import type { Ring } from '#shared/ring/field.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import type { Plan } from '#shared/protocol/plan.ts';

/** Runs the plan's program over the tables as if each were a bank. */
export async function trainHere(
  plan: Plan,
  contract: DataContract,
  tables: readonly Table[],
): Promise<FinishedModel> {
  const machine = new RunMachine(plan, contract, tables.length);
  const setup = { contract, settings: plan.program.settings, participants: tables.length, seed: plan.seed };
  const create = answererNamed(plan.program.name);
  const answerers = await Promise.all(tables.map((table) => create(setup, table)));
  const vectorsFor = reusedVectors();
  try {
    for (let round = 0; machine.asked !== undefined; round++) {
      const { question, length } = machine.asked;
      const [sum, words] = vectorsFor(question.ring, length);
      for (const [index, answerer] of answerers.entries()) {
        const values = await answerer.answer(question, () => {});
        const roundingSeed = `${plan.seed}/${round}/${index}`; // as at a bank
        addInto(sum, encodeFields(values, question.fields, question.ring, roundingSeed, words));
      }
      machine.next(sum, tables.length, vectorRoot(sum));
    }
    return machine.finished!;
  } finally {
    for (const answerer of answerers) answerer.dispose();
  }
}

/** A zeroed vector for a sum and one for answers, the same ones for every question of a length. */
function reusedVectors(): (ring: Ring, length: number) => [RingWords, RingWords] {
  const kept = new Map<string, [RingWords, RingWords]>();
  return (ring, length) => {
    const key = `${ring} ${length}`;
    const vectors = kept.get(key) ?? [createWords(ring, length), createWords(ring, length)];
    kept.set(key, vectors);
    bytesOf(vectors[0]).fill(0);
    return vectors;
  };
}

/** How a model does on rows none of the banks trained on: its own PDs, before calibration. */
export function judgeModel(artefact: Uint8Array, test: Table): ExactMetrics {
  const scorer = scorerOf(parseArtefact(JSON.parse(new TextDecoder().decode(artefact))));
  const row = new Float64Array(test.columns.length);
  const logits = new Float64Array(test.rowCount);
  for (let i = 0; i < test.rowCount; i++) logits[i] = scorer.logit(rowAt(test, i, row));
  return exactMetrics(logits, test.bad);
}
