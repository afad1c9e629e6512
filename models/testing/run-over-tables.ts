/** For tests: a whole run of a program with each table as one bank, without network, masks or ledger. */
import { RunMachine } from '#models/run-machine.ts';
import type { CreateAnswerer, Metrics } from '#models/program.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { planFields } from '#shared/protocol/plan.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

export interface RunOverTables {
  /** The artefact's bytes as text. */
  readonly artefact: string;
  readonly reason: string;
  readonly metrics: Metrics;
  /** Kinds of the questions, in order. */
  readonly kinds: readonly string[];
}

/**
 * @param program with the half of it that answers inside a bank
 * @param forgetful every question goes to a fresh answerer, as after a restart of the agent
 */
export async function runOverTables(
  program: { readonly name: string; readonly settings: Json; readonly create: CreateAnswerer },
  contract: DataContract,
  tables: readonly Table[],
  forgetful = false,
  seed = 'seed',
): Promise<RunOverTables> {
  const { create, ...asPlanned } = program;
  const plan = planFields.parse({
    v: 1,
    name: 'test',
    contract: '0'.repeat(64),
    program: asPlanned,
    participants: tables.map((_, i) => `bank-${i + 10}`),
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed,
  });
  const machine = new RunMachine(plan, contract, tables.length);
  const setup = { contract, settings: program.settings, participants: tables.length, seed: plan.seed };
  let answerers = await Promise.all(tables.map((table) => create(setup, table)));
  const kinds: string[] = [];
  while (machine.asked !== undefined) {
    const { question, length } = machine.asked;
    kinds.push(question.kind);
    const sum = createWords(question.ring, length);
    if (forgetful) answerers = await Promise.all(tables.map((table) => create(setup, table)));
    for (const answerer of answerers) {
      const values = await answerer.answer(question, () => {});
      addInto(sum, encodeFields(values, question.fields, question.ring, `${kinds.length}`));
    }
    machine.next(sum, tables.length, vectorRoot(sum));
  }
  for (const answerer of answerers) answerer.dispose();
  const { artefact, reason } = machine.finished!;
  return { artefact: new TextDecoder().decode(artefact), reason, metrics: machine.metrics, kinds };
}
