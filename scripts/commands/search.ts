/**
 * `tallystick run search`: the same model under several settings, each tried as a run of its own, so that every
 * trial is in the ledger and is counted. The best is the one with the lowest log-loss on the rows the banks
 * kept back; with many trials that figure flatters, which is said.
 */
import type { RunView } from '#coordinator/http/run-view.ts';
import { EXIT, print, printJson, say, table } from '#scripts/commands/output.ts';
import { detachOnInterrupt, planFromOptions, type ProposeOptions } from '#scripts/commands/run.ts';
import { assertOptionsFit } from '#scripts/operator/models.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { readContractFile, settingsFrom } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface SearchOptions extends ProposeOptions {
  /** JSON: setting, with dots for nested ones → values to try. */
  readonly grid: string;
  readonly maxTrials: number;
}

export interface Trial {
  readonly run: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly outcome: string;
  readonly logLoss: number | undefined;
  readonly auc: number | undefined;
  readonly model: string | undefined;
}

type Values = Readonly<Record<string, unknown>>;

/** @returns 1 when no trial gave a model */
export async function searchRuns(options: SearchOptions): Promise<number> {
  const trials = gridOf(options.grid);
  if (trials.length > options.maxTrials) {
    throw new FederationError(
      'USAGE',
      `the grid has ${trials.length} combinations, more than --max-trials ${options.maxTrials}: each is a run at every bank`,
    );
  }
  assertOptionsFit(options.model, options);
  const contract = await readContractFile(options.contract);
  const client = await OperatorClient.from(options);
  const detach = detachOnInterrupt();
  const done: Trial[] = [];
  for (const [i, values] of trials.entries()) {
    if (options.json !== true) say(`Trial ${i + 1} of ${trials.length}: ${describe(values)}`);
    const plan = await planFromOptions(client, {
      ...options,
      name: `${options.name} (trial ${i + 1} of ${trials.length})`,
      settings: JSON.stringify(mergeSettings(options.settings, values)),
    });
    const { run } = await client.post<RunView>('/v1/runs', { contract, plan });
    await watchRun(client, run, { quiet: options.json === true, signal: detach });
    if (detach.aborted) {
      say(
        `\nNo further trials are proposed; this one goes on. Watch it: tallystick run watch ${run.slice(0, 12)}, end it: tallystick run stop ${run.slice(0, 12)}`,
      );
      return EXIT.interrupted;
    }
    const { result } = await client.run(run);
    const { outcome = 'open', metrics = {}, artefact } = result ?? {};
    done.push({
      ...{ run, settings: values, outcome, model: artefact },
      logLoss: metrics['logLoss'],
      auc: metrics['auc'],
    });
  }
  const best = bestOf(done);
  if (options.json === true) printJson({ trials: done, best: best?.run ?? null });
  else printTrials(done, best);
  return best === undefined ? EXIT.failed : EXIT.ok;
}

/** Every combination, the last setting varying fastest. @throws FederationError USAGE */
export function gridOf(text: string): Values[] {
  let grid: unknown;
  try {
    grid = JSON.parse(text);
  } catch {
    grid = undefined;
  }
  const entries =
    typeof grid === 'object' && grid !== null ? Object.entries(grid as Record<string, unknown>) : [];
  if (entries.length === 0 || entries.some(([, values]) => !Array.isArray(values) || values.length === 0)) {
    throw new FederationError(
      'USAGE',
      'expected --grid with a JSON object of lists, such as \'{"depth":[3,4],"learningRate":[0.05,0.1]}\'',
    );
  }
  return (entries as [string, unknown[]][]).reduce<Values[]>(
    (combinations, [name, values]) =>
      combinations.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  );
}

/** Settings with the values of one trial put in; a name with dots reaches into nested ones. */
export function mergeSettings(text: string | undefined, values: Values): Record<string, unknown> {
  const settings = { ...settingsFrom(text) } as Record<string, unknown>;
  for (const [name, value] of Object.entries(values)) {
    const path = name.split('.');
    let into = settings;
    for (const key of path.slice(0, -1)) into = (into[key] ??= {}) as Record<string, unknown>;
    into[path.at(-1)!] = value;
  }
  return settings;
}

function bestOf(trials: readonly Trial[]): Trial | undefined {
  return trials
    .filter(({ outcome, logLoss }) => outcome === 'completed' && logLoss !== undefined)
    .sort((a, b) => a.logLoss! - b.logLoss!)[0];
}

function describe(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(', ');
}

function printTrials(trials: readonly Trial[], best: Trial | undefined): void {
  const figure = (x: number | undefined): string => x?.toFixed(4) ?? '';
  print(
    table(
      ['run', 'settings', 'outcome', 'log-loss', 'AUC', ''],
      trials.map((trial) => [
        trial.run.slice(0, 12),
        describe(trial.settings),
        trial.outcome,
        figure(trial.logLoss),
        figure(trial.auc),
        trial === best ? 'best' : '',
      ]),
      [3, 4],
    ),
  );
  if (best !== undefined)
    print(
      `\nThe best of ${trials.length} trials on the rows the banks kept back: its figures there are better than they will be. Model ${best.model}`,
    );
}
