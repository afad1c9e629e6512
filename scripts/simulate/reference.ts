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
import { encodeFields } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
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
  try {
    for (let round = 0; machine.asked !== undefined; round++) {
      const { question, length } = machine.asked;
      const sum = createWords(question.ring, length);
      for (const [index, answerer] of answerers.entries()) {
        const values = await answerer.answer(question, () => {});
        const roundingSeed = `${plan.seed}/${round}/${index}`; // as at a bank
        addInto(sum, encodeFields(values, question.fields, question.ring, roundingSeed));
      }
      machine.next(sum, tables.length, vectorRoot(sum));
    }
    return machine.finished!;
  } finally {
    for (const answerer of answerers) answerer.dispose();
  }
}

/** How a model does on rows none of the banks trained on: its own PDs, before calibration. */
export function judgeModel(artefact: Uint8Array, test: Table): ExactMetrics {
  const scorer = scorerOf(parseArtefact(JSON.parse(new TextDecoder().decode(artefact))));
  const row = new Float64Array(test.columns.length);
  const logits = new Float64Array(test.rowCount);
  for (let i = 0; i < test.rowCount; i++) logits[i] = scorer.logit(rowAt(test, i, row));
  return exactMetrics(logits, test.bad);
}
