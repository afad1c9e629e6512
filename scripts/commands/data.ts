/** `tallystick data check` and `tallystick contract infer`: what a bank does with its file before anything else. */
import { readFile, writeFile } from 'node:fs/promises';
import { renderDataReport } from '#participant-agent/data/data-report.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { profileArtefact, renderProfile, type Profile } from '#models/profile/profile.ts';
import { EXIT, print, printJson, say, table } from '#scripts/commands/output.ts';
import { planFor, readContractFile } from '#scripts/operator/plan-file.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';

/** Exit code 0 when the rows may be trained on, 1 when not. */
export async function checkData(
  file: string,
  options: { contract: string; json?: boolean },
): Promise<number> {
  const { report } = await loadTable(file, await readContractFile(options.contract));
  if (options.json === true) printJson(report);
  else print(renderDataReport(report));
  return report.passed ? EXIT.ok : EXIT.failed;
}

export interface ProfileOptions {
  readonly contract?: string;
  readonly minCount: string;
  readonly json?: boolean;
}

/**
 * Statistics of a bank's own file, by the code that a run of the program `profile` runs over all banks; or, for
 * the JSON file that such a run has left at an agent, those of the consortium.
 */
export async function profileData(file: string, options: ProfileOptions): Promise<number> {
  const profile = file.endsWith('.json') ? await readProfile(file) : await profileFile(file, options);
  if (options.json === true) {
    printJson(profile);
    return EXIT.ok;
  }
  const [heading, ...lines] = renderProfile(profile);
  print(`${profile.contract.name}: ${profile.rows} rows, ${(profile.badRate * 100).toFixed(2)} % bad\n`);
  print(table(heading!, lines, heading!.map((_, column) => column).slice(2)));
  return EXIT.ok;
}

async function readProfile(file: string): Promise<Profile> {
  const parsed = profileArtefact.safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => '{}')));
  if (parsed.success) return parsed.data;
  throw new FederationError(
    'USAGE',
    `${file} is not a profile that a run has made; see "tallystick run propose --model profile"`,
  );
}

async function profileFile(file: string, { contract: path, minCount }: ProfileOptions): Promise<Profile> {
  if (path === undefined)
    throw new FederationError('USAGE', 'expected --contract with the data contract of the file');
  const contract = await readContractFile(path);
  const { table: rows, report } = await loadTable(file, contract);
  for (const finding of report.findings) say(`  ${finding.severity}: ${finding.message}`);
  const plan = planSchema.parse({
    ...planFor({
      ...{
        name: 'profile',
        model: 'profile',
        participants: ['own'],
        minimum: 1,
        seed: 'own',
        aggregation: 'plain',
      },
      settings: JSON.stringify({ kMin: Number(minCount) }),
    }),
    contract: contractHash(contract),
  });
  const { artefact } = await trainHere(plan, contract, [rows]);
  return profileArtefact.parse(JSON.parse(new TextDecoder().decode(artefact)));
}

export interface InferOptions {
  readonly target: string;
  readonly positive: string;
  readonly exclude?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export async function inferContractFile(file: string, options: InferOptions): Promise<number> {
  const { contract, notes } = await inferContract(file, {
    target: options.target,
    bad: options.positive,
    exclude: options.exclude?.split(',') ?? [],
  });
  if (options.json === true) {
    printJson({ contract, notes, hash: contractHash(contract) });
    return EXIT.ok;
  }
  for (const note of notes) say(`  ${note}`);
  const text = `${JSON.stringify(contract, null, 2)}\n`;
  if (options.out === undefined) {
    process.stdout.write(text);
  } else {
    await writeFile(options.out, text, { flag: 'wx' });
    print(
      `Wrote ${options.out}: ${contract.features.length} features, hash ${contractHash(contract)}. Read it, correct it, agree on it with the other banks.`,
    );
  }
  return EXIT.ok;
}
