/**
 * One run of a program as everybody follows it: the coordinator to ask the next question, an agent to check
 * that the question follows from the last sum, an auditor to replay. They get the same bits.
 */
import { programNamed } from '#models/catalogue.ts';
import type { Metrics, Program, Question, Step } from '#models/program.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { canonicalBytes } from '#shared/crypto/canonical-json.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import { assertNoOverflow, vectorLength } from '#shared/ring/field.ts';
import { RingSum } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import type { RingWords } from '#shared/ring/encode.ts';

export interface AskedQuestion {
  readonly question: Question;
  /** Commits to everything an answer depends on. */
  readonly hash: string;
  /** Words of an answer's vector. */
  readonly length: number;
}

export interface FinishedModel {
  readonly artefact: Uint8Array;
  /** Root of the artefact's bytes. */
  readonly root: string;
  readonly reason: string;
}

export class RunMachine {
  metrics: Metrics = {};
  /** The question to ask, or undefined when the program is done. */
  asked: AskedQuestion | undefined;
  /** The model, when the program is done. */
  finished: FinishedModel | undefined;
  private readonly program: Program;
  private readonly participants: number;
  private state: unknown;
  /** Commits to the plan and to every sum so far, and thereby to everything the program has computed. */
  private lineage: string;

  /**
   * @param participants size of the roster
   * @throws FederationError PLAN | OVERFLOW
   */
  constructor(plan: Plan, contract: DataContract, participants: number) {
    this.program = programNamed(plan.program.name);
    this.participants = participants;
    this.lineage = messageHash('lineage', { plan, participants });
    this.take(
      this.program.begin({ contract, settings: plan.program.settings, participants, seed: plan.seed }),
    );
  }

  /**
   * Takes the sum of the present question and moves on.
   * @param banks how many banks it must contain
   * @param sumRoot root of the sum's bytes, verified by the caller
   * @throws FederationError CANARY | RANGE | SHAPE for an impossible sum; the machine is then unchanged
   */
  next(words: RingWords, banks: number, sumRoot: string): void {
    this.advance(this.read(words, banks), sumRoot);
  }

  /** The first half of `next`: whether this can be the sum. */
  read(words: RingWords, banks: number): RingSum {
    if (this.asked === undefined)
      throw new FederationError('STATE', 'the program is done; there is no question open');
    return new RingSum(words, this.asked.question.fields, banks);
  }

  /** The second half: the program's step. */
  advance(sum: RingSum, sumRoot: string): void {
    const step = this.program.next(this.state, sum);
    this.lineage = messageHash('lineage', { before: this.lineage, sumRoot });
    this.take(step);
  }

  private take(step: Step<unknown>): void {
    this.metrics = step.metrics;
    if (step.kind === 'done') {
      this.state = undefined; // the weights of a large model are in memory often enough while it is written
      const artefact = canonicalBytes(step.result.artefact);
      this.asked = undefined;
      this.finished = { artefact, root: vectorRoot(artefact), reason: step.result.reason };
      return;
    }
    const { question } = step;
    assertNoOverflow(question.fields, question.ring, this.participants);
    this.state = step.state;
    this.asked = {
      question,
      hash: questionHash(question, this.lineage),
      length: vectorLength(question.fields),
    };
  }
}

/**
 * messageHash("question", …). The lineage binds it to the plan and the sums, which determine the tensors: to hash a
 * hundred thousand weights in every round at every bank would bind nothing more.
 */
function questionHash({ kind, ring, fields, settings, tensors }: Question, lineage: string): string {
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name, values.length]));
  return messageHash('question', { kind, ring, fields, settings, lineage, tensors: shapes });
}
