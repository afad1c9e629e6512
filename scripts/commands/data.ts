/** `tallystick data check` and `tallystick contract infer`: what a bank does with its file before anything else. */
import { writeFile } from 'node:fs/promises';
import { renderDataReport } from '#participant-agent/data/data-report.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { EXIT, print, printJson, say } from '#scripts/commands/output.ts';
import { readContractFile } from '#scripts/operator/plan-file.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { inert, inertJson } from '#shared/protocol/foreign-text.ts';

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

export interface InferOptions {
  readonly target: string;
  readonly positive: readonly string[];
  readonly good?: readonly string[];
  readonly exclude?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export async function inferContractFile(file: string, options: InferOptions): Promise<number> {
  const { contract, notes } = await inferContract(file, {
    target: options.target,
    bad: options.positive,
    good: options.good,
    exclude: options.exclude?.split(',') ?? [],
  });
  // the same JSON, without characters that a terminal would obey
  const text = `${JSON.stringify(contract, null, 2).split('\n').map(inertJson).join('\n')}\n`;
  if (options.out !== undefined) await writeFile(options.out, text, { flag: 'wx' });
  if (options.json === true) {
    printJson({ contract, notes, hash: contractHash(contract) });
    return EXIT.ok;
  }
  for (const note of notes) say(`  ${inert(note)}`);
  if (options.out === undefined) {
    print(text.trimEnd());
  } else {
    print(
      `Wrote ${options.out}: ${contract.features.length} features, hash ${contractHash(contract)}. Read it, correct it, agree on it with the other banks.`,
    );
  }
  return EXIT.ok;
}
