/**
 * `npm run results`: what federated training reaches on public credit data. Measures every data set with
 * every model, or those that `--only DATASET[/MODEL]` names, and writes docs/results.json and docs/results.md;
 * what was measured before stays. `--report` writes the document from the figures alone.
 *
 * Data sets are read from the folder that TALLYSTICK_DATA names.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EXIT, reportError, say } from '#scripts/commands/output.ts';
import { MODELS } from '#scripts/operator/models.ts';
import { DATA_SETS } from '#scripts/results/data-sets.ts';
import { measure } from '#scripts/results/measure.ts';
import { readResults, saveResult } from '#scripts/results/results-file.ts';
import { reportOf } from '#scripts/results/report.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

const docs = fileURLToPath(
  import.meta.url.endsWith('.ts')
    ? new URL('../../docs', import.meta.url)
    : new URL('../docs', import.meta.url),
);
const figures = join(docs, 'results.json');
const NAMES = DATA_SETS.map(({ name }) => name);

try {
  const { report, only } = readArguments();
  if (!report) await measureAll(only);
  await writeFile(join(docs, 'results.md'), reportOf(await readResults(figures)));
} catch (error) {
  const stopped = error instanceof FederationError && error.code === 'STOPPED';
  process.exitCode = stopped ? EXIT.interrupted : reportError(error, false);
}

/** @throws FederationError USAGE naming data sets and models */
function readArguments(): { report: boolean; only: string | undefined } {
  const usage = `usage: npm run results -- [--only DATASET[/MODEL] | --report], where DATASET is one of ${NAMES.join(', ')} and MODEL one of ${MODELS.join(', ')}`;
  try {
    const options = { report: { type: 'boolean' }, only: { type: 'string' } } as const;
    const { report = false, only } = parseArgs({ options }).values;
    const known = NAMES.flatMap((name) => [name, ...MODELS.map((model) => `${name}/${model}`)]);
    if (only === undefined || (known.includes(only) && !report)) return { report, only };
  } catch (cause) {
    throw new FederationError('USAGE', `${describeError(cause)}; ${usage}`, { cause });
  }
  throw new FederationError('USAGE', usage);
}

async function measureAll(only: string | undefined): Promise<void> {
  const folder = process.env['TALLYSTICK_DATA'];
  if (folder === undefined)
    throw new FederationError('USAGE', 'set TALLYSTICK_DATA to a folder with the public credit data sets');
  const wanted = DATA_SETS.flatMap((set) => MODELS.map((model) => ({ set, model }))).filter(
    ({ set, model }) => only === undefined || only === set.name || only === `${set.name}/${model}`,
  );
  for (const { set, model } of wanted) {
    say(`\n${set.name}, ${model}`);
    if (existsSync(join(folder, set.file))) await saveResult(figures, await measure(set, model, folder));
    else say(`  not measured: ${set.file} is not in ${folder}`);
  }
}
