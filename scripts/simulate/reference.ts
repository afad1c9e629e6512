/**
 * The yardsticks of a federated result: the same program through the same code, but with all rows in one
 * place, or with each bank's rows alone. No network, no coordinator, no masks.
 */
import { networkScorerOf } from '#models/fedavg/artefact.ts';
import { answererNamed } from '#models/answerers.ts';
import { exactMetrics, type ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { RunMachine, type FinishedModel } from '#models/run-machine.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
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

/** How a model does on rows none of the banks trained on. */
export function judgeModel(artefact: Uint8Array, test: Table): ExactMetrics {
  const score = networkScorerOf(JSON.parse(new TextDecoder().decode(artefact)));
  return exactMetrics(score(test), test.bad);
}
