/**
 * A program: where an algorithm lives. It is a pure fold from (state, sum) to the next question, run alike
 * by the coordinator, by every agent (which is how a coordinator cannot slip them another model) and by the
 * auditor. What happens inside a bank is its `Answerer`, which alone sees rows.
 *
 *   begin(setup)            → ask(question) | done(result)
 *   next(state, sum)        → ask(question) | done(result)
 *   answer(question, rows)  → numbers, one array a field
 *
 * `begin` and `next` must be bit-deterministic on every machine: only + − × ÷ √ on float64 in index order,
 * Math.fround and the seeded generator: Math.exp, Math.log and the like differ between machines.
 */
import type { DataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import type { Field, Ring } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** What a program knows before its first question. All of it is in the ledger. */
export interface ProgramSetup {
  readonly contract: DataContract;
  /** The program's part of the plan, not yet parsed. */
  readonly settings: Json;
  /** Number of banks on the roster: the overflow bounds depend on it. */
  readonly participants: number;
  /** The plan's public seed: whatever looks random is a function of it. */
  readonly seed: string;
}

/** One question to every bank. Its fields are laid out in this order after the canary word. */
export interface Question {
  /** The program's own word for it: `moments`, `train`, `evaluate`, … */
  readonly kind: string;
  readonly ring: Ring;
  readonly fields: readonly Field[];
  /** What else the answer depends on; small, hashed, readable by people. */
  readonly settings: Json;
  /**
   * What is too large for `settings`, by name (model weights). Hashed into the question as vector roots;
   * never sent, because every agent derives it from the sums.
   */
  readonly tensors: Readonly<Record<string, Float32Array | Float64Array>>;
}

/** A figure a person wants to see after a round: shown by `run watch`, recorded in `close-round`. */
export type Metrics = Readonly<Record<string, number>>;

export type Step<State> =
  | { readonly kind: 'ask'; readonly state: State; readonly question: Question; readonly metrics: Metrics }
  | { readonly kind: 'done'; readonly result: ProgramResult; readonly metrics: Metrics };

export interface ProgramResult {
  /** The model artefact, for `canonicalBytes`: the same bytes at every bank. */
  readonly artefact: Json;
  /** Why it ended, a sentence for people. */
  readonly reason: string;
}

export interface Program<State = unknown> {
  readonly name: string;
  /**
   * The most rounds a run with these settings can take: a bank's policy limits it.
   * @throws FederationError PLAN
   */
  maximumRounds(settings: Json): number;
  /**
   * Whether a question of this kind may be asked again of the same rows, in this run or in another: then all its sums must
   * be of one company of banks (shared/guard/subtraction.ts). Not so where every answer depends on a model that is new.
   */
  isOfOneCompany(kind: string): boolean;
  /** @throws FederationError PLAN when the settings are not valid for this contract */
  begin(setup: ProgramSetup): Step<State>;
  /** Consumes `state`: arrays in it may be reused by the state returned. */
  next(state: State, sum: RingSum): Step<State>;
}

/** One array for each field of the question, in the field's own unit, not yet clipped or scaled. */
export type Answer = Readonly<Record<string, Float32Array | Float64Array>>;

/** The half of a program that runs inside a bank, once a run, on the bank's rows. */
export interface Answerer {
  /** @param progress called with the fraction done, 0 to 1, now and then */
  answer(question: Question, progress: (fraction: number) => void): Promise<Answer>;
  dispose(): void;
}

export type CreateAnswerer = (setup: ProgramSetup, table: Table) => Promise<Answerer>;
