/** From one file to a consortium: banks with rows of their own, and test rows that none of them has. */
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { say } from '#scripts/commands/output.ts';
import { readContractFile } from '#scripts/operator/plan-file.ts';
import {
  partitionByColumn,
  partitionByDirichlet,
  partitionEvenly,
  splitTest,
  type Partition,
} from '#scripts/simulate/partition.ts';
import { concernsIn } from '#shared/contract/concerns.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

interface Inferred {
  readonly target: string;
  /** The values of the target that mean bad, and those that mean good. */
  readonly positive: readonly string[];
  readonly good?: readonly string[] | undefined;
  readonly exclude: readonly string[];
}

export type SplitOptions = {
  readonly data: string;
  readonly partitionBy?: string | undefined;
  readonly banks: number;
  /** `iid` or `dirichlet:ALPHA`, without `partitionBy`. */
  readonly skew?: string | undefined;
  readonly testFraction: number;
  readonly seed: string;
  /** A contract file, or what one is inferred from. */
} & ({ readonly contract: string } | { readonly inferred: Inferred });

export interface SimulatedBank {
  readonly id: string;
  readonly table: Table;
}

export interface SplitFile {
  readonly contract: DataContract;
  readonly banks: readonly SimulatedBank[];
  readonly test: Table;
}

/** @throws FederationError USAGE, and whatever reading the file or the contract throws */
export async function splitFile(options: SplitOptions): Promise<SplitFile> {
  const count = options.banks;
  const alpha = alphaOf(options.skew ?? 'iid'); // before a large file is read
  const partitionColumn = options.partitionBy;
  const source = await contractFor(options);
  const { table, report, extra } = await loadTable(
    options.data,
    source,
    partitionColumn === undefined ? {} : { extraColumns: [partitionColumn] },
  );
  for (const finding of report.findings) say(`  ${finding.severity}: ${inert(finding.message)}`);
  const split = splitTest(table.bad, options.testFraction, options.seed);
  let parts: Partition[];
  if (partitionColumn !== undefined)
    parts = partitionByColumn(extra[partitionColumn]!, split.training, count);
  else parts = partitionBySkew(alpha, table.bad, split.training, count, options.seed);
  const contract = asWritten(source);
  const all = { ...table, columns: underContract(table, contract) };
  const banks = parts.map(({ id, rows }) => ({ id, table: selectRows(all, rows) }));
  say(
    `${table.rowCount} rows: ${split.test.length} to test on, the others at ${banks.length} banks of ${banks.map((b) => b.table.rowCount).join(', ')}`,
  );
  return { contract, banks, test: selectRows(all, split.test) };
}

/** Banks' files are written from the table: derived features are columns like the others, and numbers are plain. */
function asWritten(contract: DataContract): DataContract {
  const features = contract.features.map((feature) => {
    if (feature.type === 'category') return feature;
    const { derive: _, notation: _written, ...plain } = feature;
    return plain;
  });
  return { ...contract, features };
}

function underContract(table: Table, { features }: DataContract): Column[] {
  return table.columns.map((column, j) => ({ ...column, feature: features[j] }) as Column);
}

async function contractFor(options: SplitOptions): Promise<DataContract> {
  if ('contract' in options) {
    const contract = await readContractFile(options.contract);
    for (const concern of concernsIn(contract)) say(`  note: ${concern}`);
    return contract;
  }
  const { target, positive, good, exclude } = options.inferred;
  const { contract, notes } = await inferContract(options.data, {
    target,
    bad: positive,
    good,
    exclude: [...exclude, ...(options.partitionBy === undefined ? [] : [options.partitionBy])],
  });
  say('No --contract: inferred one from the file, assuming');
  for (const note of notes) say(`  ${inert(note)}`);
  return contract;
}

function partitionBySkew(
  alpha: number | undefined,
  bad: Uint8Array,
  rows: Uint32Array,
  banks: number,
  seed: string,
): Partition[] {
  return alpha === undefined
    ? partitionEvenly(rows, banks, seed)
    : partitionByDirichlet(bad, rows, banks, alpha, seed);
}

/** @returns undefined for equal banks @throws FederationError USAGE */
function alphaOf(skew: string): number | undefined {
  if (skew === 'iid') return undefined;
  const alpha = Number(/^dirichlet:(\d*\.?\d+)$/.exec(skew)?.[1] ?? NaN);
  if (alpha > 0) return alpha;
  throw new FederationError('USAGE', `expected --skew iid or dirichlet:ALPHA, got "${skew}"`);
}
