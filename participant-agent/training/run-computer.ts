/**
 * The heavy half of one run inside a bank: rows, the program's state, answers. `ThreadComputer` keeps it off
 * the main thread; tests and benchmarks that put many agents into one process use `LocalComputer` directly.
 */
import type { DataReport } from '#participant-agent/data/data-report.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { rowSnapshot, type RowSnapshot } from '#participant-agent/data/row-snapshot.ts';
import { answererNamed } from '#models/answerers.ts';
import { RunMachine } from '#models/run-machine.ts';
import type { Answerer, CreateAnswerer } from '#models/program.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import type { Position } from '#shared/participant/effects.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import { encodeFields, type RingWords } from '#shared/ring/encode.ts';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

/** Where the agent's own recomputation of a run stands, with the model when it is finished. */
export interface FinishedPosition extends Position {
  readonly model: { readonly root: string; readonly artefact: Uint8Array } | undefined;
}

/** What was found, and which rows they are. */
export interface LoadedRows {
  readonly report: DataReport;
  readonly rows: RowSnapshot;
}

export interface RunComputer {
  /** Reads and checks the bank's rows. @throws FederationError DATA_SOURCE | CONTRACT */
  load(contract: DataContract): Promise<LoadedRows>;
  /** @param participants size of the roster */
  begin(plan: Plan, participants: number): Promise<FinishedPosition>;
  /** Goes on with a sum of `banks` updates; its bytes are then the computer's. */
  next(sum: Uint8Array<ArrayBuffer>, banks: number, sumRoot: string): Promise<FinishedPosition>;
  /**
   * Answers the present question.
   * @param roundingSeed the same seed gives the same bytes
   * @param masks applied to the vector before it leaves the computer; none in plain rounds
   * @returns a body that is valid until the next answer
   */
  answer(
    roundingSeed: string,
    masks: readonly Mask[],
    progress: (fraction: number) => void,
  ): Promise<{ body: Uint8Array; root: string }>;
  dispose(): Promise<void>;
}

export class LocalComputer implements RunComputer {
  private readonly dataFile: string;
  private readonly answererFor: (program: string) => CreateAnswerer;
  private readonly read: typeof loadTable;
  private contract: DataContract | undefined;
  private table: Table | undefined;
  private machine: RunMachine | undefined;
  private plan: Plan | undefined;
  private participants = 0;
  private answerer: Answerer | undefined;
  /** The last answer's vector, written over by the next: a run answers one question after the other. */
  private words: RingWords | undefined;

  /**
   * @param answererFor replaced in benchmarks that measure rounds without training
   * @param read replaced in tests with many banks that are not about their rows
   */
  constructor(
    dataFile: string,
    answererFor: (program: string) => CreateAnswerer = answererNamed,
    read = loadTable,
  ) {
    this.dataFile = dataFile;
    this.answererFor = answererFor;
    this.read = read;
  }

  async load(contract: DataContract): Promise<LoadedRows> {
    const { table, report } = await this.read(this.dataFile, contract);
    this.contract = contract;
    this.table = table;
    return { report, rows: await rowSnapshot(this.dataFile) };
  }

  async begin(plan: Plan, participants: number): Promise<FinishedPosition> {
    this.plan = plan;
    this.participants = participants;
    this.machine = new RunMachine(plan, this.loaded().contract, participants);
    return this.position();
  }

  async next(sum: Uint8Array<ArrayBuffer>, banks: number, sumRoot: string): Promise<FinishedPosition> {
    const machine = this.begun();
    machine.next(wordsOf(machine.asked!.question.ring, sum), banks, sumRoot);
    return this.position();
  }

  async answer(
    roundingSeed: string,
    masks: readonly Mask[],
    progress: (fraction: number) => void,
  ): Promise<{ body: Uint8Array; root: string }> {
    const { question } = this.begun().asked!;
    const { contract, table } = this.loaded();
    const { program, seed } = this.plan!;
    const setup = { contract, settings: program.settings, participants: this.participants, seed };
    this.answerer ??= await this.answererFor(program.name)(setup, table);
    const values = await this.answerer.answer(question, progress);
    const words = encodeFields(values, question.fields, question.ring, roundingSeed, this.words);
    this.words = words;
    applyMasks(words, masks);
    return { body: bytesOf(words), root: vectorRoot(words) };
  }

  async dispose(): Promise<void> {
    this.answerer?.dispose();
    this.answerer = undefined;
  }

  private position(): FinishedPosition {
    const { asked, metrics, finished } = this.begun();
    return {
      question: asked && {
        hash: asked.hash,
        kind: asked.question.kind,
        ring: asked.question.ring,
        length: asked.length,
      },
      metrics,
      model: finished && { root: finished.root, artefact: finished.artefact },
    };
  }

  private loaded(): { contract: DataContract; table: Table } {
    if (this.contract === undefined || this.table === undefined)
      throw new FederationError('STATE', 'no rows are loaded');
    return { contract: this.contract, table: this.table };
  }

  private begun(): RunMachine {
    if (this.machine === undefined) throw new FederationError('STATE', 'the run has not begun');
    return this.machine;
  }
}
