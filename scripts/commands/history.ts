/** `tallystick audit show`, `receipt`, `gossip` and `fork`: what a bundle and notes say, for people. */
import { readFile, writeFile } from 'node:fs/promises';
import {
  reportBank,
  reportRound,
  reportRun,
  type ProvenEntry,
  type RunReport,
} from '#scripts/audit/history-report.ts';
import { readHistory, runIn } from '#scripts/audit/read-history.ts';
import { EXIT, paint, print, printJson, table } from '#scripts/commands/output.ts';
import { isConsistent } from '#shared/ledger/merkle-tree.ts';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { compareNotes, verifyForkProof, type ForkProof } from '#shared/ledger/fork-proof.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

interface HistoryOptions {
  readonly charter?: string;
  readonly run?: string;
  readonly json?: boolean;
}

export async function showHistory(
  bundle: string,
  options: HistoryOptions & { round?: string },
): Promise<number> {
  const checked = await readHistory(bundle, options.charter);
  const { history } = checked;
  if (options.round !== undefined) {
    const round = Number(options.round);
    const entries = reportRound(checked, runIn(history, options.run), round);
    if (entries.length === 0) throw new FederationError('NOT_FOUND', `no round ${options.round} in this run`);
    if (options.json === true) printJson({ note: checked.note, entries });
    else printProven(entries, history.size);
    return EXIT.ok;
  }
  const runs = (
    options.run === undefined ? [...history.state.runs.values()] : [runIn(history, options.run)]
  ).map(reportRun);
  const { incidents, participants, charter } = history.state;
  if (options.json === true) {
    const banks = [...participants.values()].map(({ id, status, enrolledAt }) => ({
      id,
      status,
      enrolledAt,
    }));
    const { size: entries, root } = history;
    printJson({ consortium: charter!.payload.consortium, entries, root, banks, incidents, runs });
    return EXIT.ok;
  }
  print(`${paint('bold', charter!.payload.consortium)}, ${history.size} entries, root ${history.root}`);
  if (options.charter === undefined)
    print(
      paint(
        'yellow',
        `Charter ${charter!.hash}: compare it with the one in your agreement, or give --charter`,
      ),
    );
  for (const { id, status } of participants.values()) print(`  ${id}: ${status}`);
  for (const { at, reason } of incidents) print(`  ${when(at)}  incident: ${reason}`);
  for (const run of runs) printRun(run);
  return EXIT.ok;
}

function printRun(run: RunReport): void {
  print(`\n${paint('bold', run.name)}  ${run.run}`);
  print(
    `  ${run.program}, ${run.aggregation}; proposed ${when(run.proposedAt)}; contract ${run.contract.slice(0, 16)}…`,
  );
  for (const { bank, decision, reason, at } of run.consents)
    print(
      `  ${when(at)}  ${bank} ${decision === 'granted' ? 'consented' : 'refused'}${reason === '' ? '' : `: ${reason}`}`,
    );
  if (run.rounds.length > 0) {
    const lines = run.rounds.map((round) => [
      String(round.round),
      round.attempt === 0 ? '' : String(round.attempt),
      round.kind,
      round.code ?? round.outcome,
      `${round.answered.length} of ${round.answered.length + round.missing.length}`,
      round.missing.join(', '),
      when(round.openedAt),
      round.seconds === undefined ? '' : `${round.seconds.toFixed(1)} s`,
      round.sumRoot?.slice(0, 12) ?? '',
    ]);
    const head = ['round', 'retry', 'question', 'outcome', 'answered', 'missing', 'opened', 'took', 'sum'];
    print(table(head, lines, [0, 1, 7]));
  }
  for (const { bank, code } of run.blamed) print(`  ${paint('red', code)}: ${bank} was at fault`);
  print(`  ${run.outcome}${run.reason === undefined ? '' : `: ${run.reason}`}`);
  if (run.model !== undefined) print(`  model ${run.model}, final by ${run.cosigned.join(', ')}`);
  if (run.expiredAt !== undefined) print(`  bodies expired on ${when(run.expiredAt)}`);
}

/** What one bank signed, each entry with its proof. */
export async function showReceipt(
  bundle: string,
  options: HistoryOptions & { bank: string },
): Promise<number> {
  const checked = await readHistory(bundle, options.charter);
  const { history } = checked;
  const run = options.run === undefined ? undefined : runIn(history, options.run).id;
  const entries = reportBank(checked, options.bank, run);
  if (entries.length === 0)
    throw new FederationError('NOT_FOUND', `"${options.bank}" has signed nothing in this bundle`);
  if (options.json === true) printJson({ bank: options.bank, note: checked.note, entries });
  else printProven(entries, history.size);
  return EXIT.ok;
}

function printProven(entries: readonly ProvenEntry[], size: number): void {
  const lines = entries.map((entry) => [
    String(entry.seq),
    when(entry.time),
    entry.type,
    entry.from,
    entry.body?.slice(0, 12) ?? '',
    entry.included ? `✓ ${entry.proof.length} hashes` : '✗',
    entry.use,
  ]);
  print(table(['entry', 'when', 'type', 'from', 'body', 'included', 'used in'], lines, [0]));
  print(
    `\n${entries.length} entries of the ${size} under the bundle's head. With --json: hashes and proofs.`,
  );
}

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
  const compared = compareNotes(...notes, origin, history.state.logKeys);
  let verdict: 'agree' | 'fork' | 'unknown' = 'unknown';
  let proof: ForkProof | undefined;
  if (compared.kind === 'same') verdict = 'agree';
  else if (compared.kind === 'fork') [verdict, proof] = ['fork', compared.proof];
  else {
    // the bundle is of one of the two histories: its tree shows how the two hang together, or that they do not
    const { older, newer } = compared;
    const { tree } = history;
    if (newer.size <= tree.size && toHex(tree.root(newer.size)) === newer.root) {
      const otherRoot = toHex(tree.root(older.size));
      const hashes = tree.consistencyProof(older.size, newer.size);
      if (otherRoot === older.root) {
        const holds = isConsistent(older.size, newer.size, hashes, fromHex(older.root), fromHex(newer.root));
        verdict = holds ? 'agree' : 'unknown';
      } else {
        const [olderNote, newerNote] =
          notes[0].split('\n')[1] === String(older.size) ? notes : [notes[1], notes[0]];
        proof = {
          ...{ v: 1, kind: 'fork', older: olderNote, newer: newerNote, otherRoot },
          proof: hashes.map(toHex),
        };
        verdict = 'fork';
      }
    }
  }
  if (proof !== undefined && options.out !== undefined)
    await writeFile(options.out, `${JSON.stringify(proof, null, 2)}\n`, { flag: 'wx' });
  if (options.json === true) printJson({ verdict, ...(proof === undefined ? {} : { proof }) });
  else if (verdict === 'agree') print(`${paint('green', '✓')} one history`);
  else if (verdict === 'fork')
    print(
      `${paint('red', '✗ FORK')}: the ledger's key signed two histories. ${options.out === undefined ? 'With --out FILE the proof is kept.' : `The proof is in ${options.out}.`}`,
    );
  else print('○ Of different sizes, and the bundle is of neither: export one up to the newer of them.');
  return verdict === 'agree' ? EXIT.ok : verdict === 'fork' ? EXIT.failed : EXIT.incomplete;
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
    else print(`It proves nothing: ${error.message}`);
    return EXIT.failed;
  }
}

function when(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}
