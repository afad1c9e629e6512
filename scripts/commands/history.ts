/** `tallystick audit show` and `receipt`: what a bundle says, for people. */
import {
  operatorActs,
  reportBank,
  reportRound,
  reportRun,
  type ProvenEntry,
  type RunReport,
} from '#scripts/audit/history-report.ts';
import { readHistory, runIn } from '#scripts/audit/read-history.ts';
import { EXIT, paint, print, printJson, table } from '#scripts/commands/output.ts';
import { membersOf } from '#shared/ledger/members.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

interface HistoryOptions {
  readonly charter?: string;
  readonly run?: string;
  readonly json?: boolean;
}

export async function showHistory(
  bundle: string,
  options: HistoryOptions & { round?: number },
): Promise<number> {
  const checked = await readHistory(bundle, options.charter);
  const { history } = checked;
  if (options.round !== undefined) {
    const entries = reportRound(checked, runIn(history, options.run), options.round);
    if (entries.length === 0) throw new FederationError('NOT_FOUND', `no round ${options.round} in this run`);
    if (options.json === true) printJson({ note: checked.note, entries });
    else printProven(entries, history.size);
    return EXIT.ok;
  }
  const runs = (
    options.run === undefined ? [...history.state.runs.values()] : [runIn(history, options.run)]
  ).map(reportRun);
  const { incidents, charter } = history.state;
  if (options.json === true) {
    const banks = membersOf(history.state);
    const acts = operatorActs(checked);
    const { size: entries, root } = history;
    printJson({ consortium: charter!.payload.consortium, entries, root, banks, acts, incidents, runs });
    return EXIT.ok;
  }
  print(
    `${paint('bold', inert(charter!.payload.consortium))}, ${history.size} entries, root ${history.root}`,
  );
  if (options.charter === undefined)
    print(
      paint(
        'yellow',
        `Charter ${charter!.hash}: compare it with the one in your agreement, or give --charter`,
      ),
    );
  for (const { id, status, fingerprint, admitted } of membersOf(history.state))
    print(
      `  ${id}: ${status}  ${fingerprint}${admitted === undefined ? '' : `  admitted ${when(admitted.at)}${by(admitted.by)}`}`,
    );
  for (const act of operatorActs(checked)) print(`  ${when(act.at)}  ${act.what}${by(act.by)}`);
  for (const { at, reason } of incidents) print(`  ${when(at)}  incident: ${inert(reason)}`);
  for (const run of runs) printRun(run);
  return EXIT.ok;
}

function by(operator: string | undefined): string {
  return operator === undefined ? '' : ` by ${operator}`;
}

function printRun(run: RunReport): void {
  print(`\n${paint('bold', inert(run.name))}  ${run.run}`);
  print(
    `  ${run.program}, ${run.aggregation}; proposed ${when(run.proposedAt)}; contract ${run.contract.slice(0, 16)}…`,
  );
  for (const { bank, decision, reason, at } of run.consents)
    print(
      `  ${when(at)}  ${bank} ${decision === 'granted' ? 'consented' : 'refused'}${reason === '' ? '' : `: ${inert(reason)}`}`,
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
  print(`  ${run.outcome}${run.reason === undefined ? '' : `: ${inert(run.reason)}`}`);
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

function when(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}
