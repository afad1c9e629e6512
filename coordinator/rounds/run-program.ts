/**
 * The program of one run as the coordinator follows it: here when its vectors are small, in a thread of its own
 * when a step would hold up the banks' connections. Both take the same steps.
 */
import { ThreadedProgram } from '#coordinator/threads/threaded-program.ts';
import { programNamed } from '#models/catalogue.ts';
import { RunMachine, type FinishedModel, type QuestionOutline } from '#models/run-machine.ts';
import type { Metrics } from '#models/program.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

export interface RunProgram {
  /** The question to ask, or undefined when the program is done. */
  readonly asked: QuestionOutline | undefined;
  readonly metrics: Metrics;
  /** The model, when the program is done. */
  readonly finished: FinishedModel | undefined;
  /**
   * Reads the sum of the present question, without a step yet. `words` may not change until after the step.
   * @param banks how many banks it must contain
   * @returns the root of its bytes
   * @throws FederationError CANARY | RANGE | SHAPE for an impossible sum
   */
  read(words: RingWords, banks: number): Promise<string>;
  /** The step with the sum that was read last. */
  advance(): Promise<void>;
  close(): Promise<void>;
}

/** A step with fewer words takes a few milliseconds at most. */
export const WORTH_A_THREAD_WORDS = 100_000;

/** @throws FederationError PLAN | OVERFLOW */
export async function startProgram(
  plan: Plan,
  contract: DataContract,
  participants: number,
): Promise<RunProgram> {
  const { name, settings } = plan.program;
  const setup = { contract, settings, participants, seed: plan.seed };
  const words = programNamed(name).wordsMax?.(setup) ?? 0;
  return words < WORTH_A_THREAD_WORDS
    ? new InlineProgram(plan, contract, participants)
    : ThreadedProgram.start(plan, contract, participants);
}

export class InlineProgram implements RunProgram {
  private readonly machine: RunMachine;
  private pending: { readonly sum: RingSum; readonly root: string } | undefined;

  constructor(plan: Plan, contract: DataContract, participants: number) {
    this.machine = new RunMachine(plan, contract, participants);
  }

  get asked(): QuestionOutline | undefined {
    return this.machine.outline();
  }

  get metrics(): Metrics {
    return this.machine.metrics;
  }

  get finished(): FinishedModel | undefined {
    return this.machine.finished;
  }

  async read(words: RingWords, banks: number): Promise<string> {
    this.pending = undefined;
    const sum = this.machine.read(words, banks);
    const root = vectorRoot(words);
    this.pending = { sum, root };
    return root;
  }

  async advance(): Promise<void> {
    if (this.pending === undefined) throw new FederationError('STATE', 'no sum was read');
    const { sum, root } = this.pending;
    this.pending = undefined;
    this.machine.advance(sum, root);
  }

  async close(): Promise<void> {}
}
