/** `tallystick data profile`: statistics, of one bank's rows or of those of all. */
import { readFile } from 'node:fs/promises';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { profileArtefact, renderProfile, type Profile } from '#models/profile/profile.ts';
import { EXIT, print, printJson, say, table } from '#scripts/commands/output.ts';
import { planFor, readContractFile } from '#scripts/operator/plan-file.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export interface ProfileOptions {
  readonly contract?: string;
  readonly minCount: number;
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
  print(
    `${inert(profile.contract.name)}: ${profile.rows} rows, ${(profile.badRate * 100).toFixed(2)} % bad\n`,
  );
  print(table(heading!, lines, heading!.map((_, column) => column).slice(2)));
  return EXIT.ok;
}

async function readProfile(file: string): Promise<Profile> {
  const text = await readFile(file, 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // no profile either
  }
  const parsed = profileArtefact.safeParse(value);
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
  for (const finding of report.findings) say(`  ${finding.severity}: ${inert(finding.message)}`);
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
      settings: JSON.stringify({ kMin: minCount }),
    }),
    contract: contractHash(contract),
  });
  const { artefact } = await trainHere(plan, contract, [rows]);
  return profileArtefact.parse(JSON.parse(new TextDecoder().decode(artefact)));
}
