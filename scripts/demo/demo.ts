/**
 * `tallystick demo`: the whole product in one command. Five banks with private, generated applicants and a
 * coordinator, each a process of its own, train one model; the report says what it brought and what it cost,
 * and the ledger is verified offline. Exit code 0 only if it verified.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import { exitCodeOf, isVerified } from '#scripts/commands/audit.ts';
import { bytes, EXIT, paint, print, printJson, say, table as textTable } from '#scripts/commands/output.ts';
import { LocalConsortium, type LocalBank } from '#scripts/consortium/local-consortium.ts';
import { stopOnSignal } from '#scripts/consortium/stop-on-signal.ts';
import { makeTemporaryFolder } from '#scripts/consortium/temporary-folder.ts';
import {
  startConsortium,
  trainFederated,
  type FederatedResult,
} from '#scripts/consortium/train-federated.ts';
import { Chaos } from '#scripts/demo/chaos.ts';
import { writeApplicantsCsv } from '#scripts/demo/applicants.ts';
import { DEMO_BANKS, demoContract } from '#scripts/demo/banks.ts';
import { printApplicant, scoreOneApplicant } from '#scripts/demo/one-applicant.ts';
import { demoRounds, isExact, type ModelName } from '#scripts/operator/models.ts';
import { planFor } from '#scripts/operator/plan-file.ts';
import { compare, exactness, type Comparison } from '#scripts/simulate/compare.ts';
import { badRateOf, concatTables, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface DemoOptions {
  readonly model: ModelName;
  readonly rounds?: number;
  readonly seed: string;
  readonly keep?: string;
  readonly chaos?: boolean;
  readonly json?: boolean;
}

interface DemoData {
  readonly banks: readonly (LocalBank & { readonly table: Table })[];
  /** Applicants of all banks that none of them trained on. */
  readonly test: Table;
  /** How well the true probabilities themselves would do on `test`: no model can be expected to do better. */
  readonly ceiling: number;
}

export async function demo(options: DemoOptions): Promise<number> {
  const started = performance.now();
  const plan = planFor({
    name: `demo ${options.model}`,
    model: options.model,
    rounds: options.rounds ?? demoRounds(options.model),
    participants: DEMO_BANKS.map((bank) => bank.id),
    minimum: 4,
    seed: options.seed,
  });
  const temporary = options.keep === undefined ? await makeTemporaryFolder('demo') : undefined;
  const folder = temporary?.path ?? (await keptFolder(options.keep!));
  const consortium = new LocalConsortium(folder);
  const signals = stopOnSignal(consortium);
  try {
    say('Five banks make up their own applicants (seeded; nobody real) …');
    const data = await makeData(folder, options.seed);
    await startConsortium(consortium, data.banks, 3);
    const chaos = new Chaos(
      consortium,
      data.banks.map(({ id }) => id),
      options.seed,
    );
    const disturb = options.chaos === true ? (until: AbortSignal) => chaos.reign(until) : undefined;
    const result = await trainFederated(consortium, demoContract, plan, options.json === true, disturb);
    const sent = await bytesSent(consortium, data);
    await consortium.stop();
    const comparison = await compare(result.artefact, result.view.plan, demoContract, data.banks, data.test);
    report(
      options,
      folder,
      data,
      result,
      comparison,
      { sent, kills: chaos.kills },
      (performance.now() - started) / 1000,
    );
    return exitCodeOf(result.audit);
  } catch (error) {
    if (signals.interrupted()) return EXIT.interrupted;
    throw error;
  } finally {
    await consortium.stop();
    await temporary?.remove();
    signals.release();
  }
}

/** @throws FederationError USAGE when something is in the folder already: it would be taken for this demonstration's */
async function keptFolder(keep: string): Promise<string> {
  const folder = resolve(keep);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0)
    throw new FederationError('USAGE', `${folder} is not empty; give --keep a new folder`);
  return folder;
}

async function makeData(folder: string, seed: string): Promise<DemoData> {
  const dataFolder = join(folder, 'data');
  await mkdir(dataFolder, { recursive: true });
  const banks: (LocalBank & { table: Table })[] = [];
  const tests: Table[] = [];
  const truths: number[] = [];
  for (const bank of DEMO_BANKS) {
    const path = join(dataFolder, `${bank.id}.csv`);
    await writeApplicantsCsv(path, { bank, seed });
    banks.push({ id: bank.id, dataFile: path, table: (await loadTable(path, demoContract)).table });
    const testPath = join(dataFolder, `${bank.id}-test.csv`);
    const { truePd } = await writeApplicantsCsv(testPath, {
      bank,
      seed: `${seed}/test`,
      rows: Math.ceil(bank.rows / 2),
    });
    tests.push((await loadTable(testPath, demoContract)).table);
    truths.push(...truePd);
  }
  const test = concatTables(tests);
  const trueLogits = Float64Array.from(truths, (p) => Math.log(p / (1 - p)));
  return { banks, test, ceiling: exactMetrics(trueLogits, test.bad).auc };
}

/** By bank, from its own egress list. */
async function bytesSent(consortium: LocalConsortium, { banks }: DemoData): Promise<Map<string, number>> {
  const sent = new Map<string, number>();
  for (const { id } of banks) sent.set(id, await consortium.bytesSent(id));
  return sent;
}

function report(
  options: DemoOptions,
  folder: string,
  data: DemoData,
  { view, audit, artefact, trainingSeconds }: FederatedResult,
  { federated, pooled, pooledRoot, local }: Comparison,
  { sent, kills }: { sent: ReadonlyMap<string, number>; kills: ReadonlyMap<string, number> },
  totalSeconds: number,
): void {
  const verified = isVerified(audit);
  const model =
    options.keep === undefined
      ? undefined
      : join(folder, 'banks', data.banks[0]!.id, 'models', `${view.result!.artefact}.json`);
  const badRate = federated.bads / federated.rows;
  const applicant = scoreOneApplicant(artefact, data.test);
  if (options.json === true) {
    printJson({
      model: options.model,
      masked: true,
      rounds: view.rounds.length,
      federated,
      pooled,
      local,
      ceiling: data.ceiling,
      sent: Object.fromEntries(sent),
      kills: Object.fromEntries(kills),
      modelHash: view.result!.artefact,
      ...(isExact(options.model) ? { pooledModelHash: pooledRoot } : {}),
      applicant,
      ledger: { entries: audit.entries, root: audit.root, verified },
      seconds: { total: totalSeconds, training: trainingSeconds },
    });
    return;
  }
  print(`\n${paint('bold', 'What the banks learned together')}`);
  print(`Judged on ${federated.rows} new applicants, ${federated.bads} of whom defaulted.\n`);
  const auc = (x: number): string => x.toFixed(4);
  print(
    textTable(
      ['trained by', 'AUC', ''],
      [
        ['the consortium', paint('bold', auc(federated.auc)), 'no applicant left its bank'],
        ['all rows in one place', auc(pooled.auc), 'what nobody may do'],
        ['one bank alone, best', auc(local.aucMax), ''],
        ['one bank alone, mean', auc(local.aucMean), ''],
        ['one bank alone, worst', auc(local.aucMin), ''],
        ['the true probabilities', auc(data.ceiling), 'the most that can be known'],
      ],
      [1],
    ),
  );
  print(
    `\nCalibration in the large: predicted ${(federated.meanPd * 100).toFixed(2)} % defaults, ${(badRate * 100).toFixed(2)} % happened.`,
  );
  if (isExact(options.model)) print(exactness(view.result!.artefact!, pooledRoot));
  printApplicant(applicant);
  print(`\n${paint('bold', 'What left each bank')}\n`);
  print(
    textTable(
      ['bank', 'own applicants', 'own bad rate', 'sent'],
      data.banks.map(({ id, table }) => [
        id,
        String(table.rowCount),
        `${(badRateOf(table) * 100).toFixed(1)} %`,
        bytes(sent.get(id) ?? 0),
      ]),
      [1, 2, 3],
    ),
  );
  print(
    `\nMasked and signed, in ${view.rounds.length} rounds; not one row, and no update that anybody else could read. A bank lists every item with "tallystick agent egress".`,
  );
  if (kills.size > 0) {
    const times = [...kills].map(([name, count]) => `${name} ${count}×`).join(', ');
    print(`\nKilled (-9) and started again while they trained: ${times}.`);
  }
  print(`\n${paint('bold', 'Proof')}\n`);
  print(
    `${verified ? paint('green', '✓ ledger verified offline') : paint('red', '✗ LEDGER NOT VERIFIED')}: ${audit.entries} entries, every signature, every sum and the model recomputed`,
  );
  for (const { code, message } of [...audit.findings, ...audit.runs.flatMap((run) => run.findings)])
    print(`  ${code}: ${message}`);
  print(`  root   ${audit.root}`);
  print(`  model  ${view.result!.artefact}`);
  if (model === undefined)
    print(`\nEverything is deleted again; keep it with: tallystick demo --keep demo-data`);
  else
    print(
      `\nEach bank has the model, e.g. ${model}\nThe exported ledger is in ${join(folder, 'ledger.bundle')}`,
    );
  print(`\n${trainingSeconds.toFixed(1)} s of training in ${totalSeconds.toFixed(1)} s.`);
}
