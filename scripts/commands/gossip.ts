/** `tallystick audit gossip` and `fork`: whether heads of a ledger hang together, and proof when they do not. */
import { readFile, writeFile } from 'node:fs/promises';
import { readHistory } from '#scripts/audit/read-history.ts';
import { EXIT, paint, print, printJson } from '#scripts/commands/output.ts';
import { compareNotes, compareWithTree, verifyForkProof } from '#shared/ledger/fork-proof.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** As `--json` says them. */
const VERDICTS = { same: 'agree', fork: 'fork', unknown: 'unknown' } as const;

/**
 * Two notes of one ledger held against each other. Exit 0: they agree, as shown by the bundle if they are of
 * different sizes; 1: they contradict each other; 2: notes alone cannot tell.
 */
export async function gossip(
  first: string,
  second: string,
  options: { bundle: string; charter?: string; out?: string; json?: boolean },
): Promise<number> {
  const { history } = await readHistory(options.bundle, options.charter);
  const { origin } = history.state.charter!.payload;
  const notes = [await readFile(first, 'utf8'), await readFile(second, 'utf8')] as const;
  const alone = compareNotes(...notes, origin, history.state.logKeys);
  const compared = alone.kind === 'open' ? compareWithTree(alone, history.tree) : alone;
  const proof = compared.kind === 'fork' ? compared.proof : undefined;
  if (proof !== undefined && options.out !== undefined)
    await writeFile(options.out, `${JSON.stringify(proof, null, 2)}\n`, { flag: 'wx' });
  if (options.json === true)
    printJson({ verdict: VERDICTS[compared.kind], ...(proof === undefined ? {} : { proof }) });
  else if (compared.kind === 'same') print(`${paint('green', '✓')} one history`);
  else if (compared.kind === 'fork')
    print(
      `${paint('red', '✗ FORK')}: the ledger's key signed two histories. ${options.out === undefined ? 'With --out FILE the proof is kept.' : `The proof is in ${options.out}.`}`,
    );
  else print('○ Of different sizes, and the bundle is of neither: export one up to the newer of them.');
  return compared.kind === 'same' ? EXIT.ok : compared.kind === 'fork' ? EXIT.failed : EXIT.incomplete;
}

/** Checks a fork proof that somebody else made. Exit 0: it proves a fork; 1: it proves nothing. */
export async function checkForkProof(
  file: string,
  options: { bundle: string; charter?: string; json?: boolean },
): Promise<number> {
  const { history } = await readHistory(options.bundle, options.charter);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new FederationError('NOT_FOUND', `${file} cannot be read as a fork proof`, { cause });
  }
  try {
    const { origin } = history.state.charter!.payload;
    const { older, newer } = verifyForkProof(value, origin, history.state.logKeys);
    if (options.json === true) printJson({ fork: true, sizes: [older.size, newer.size] });
    else
      print(
        `${paint('red', '✗ FORK')} proven: the heads of ${older.size} and ${newer.size} entries contradict each other`,
      );
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof FederationError)) throw error;
    if (options.json === true) printJson({ fork: false, code: error.code, message: error.message });
    else print(`It proves nothing: ${inert(error.message)}`);
    return EXIT.failed;
  }
}
