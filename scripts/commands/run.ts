/** `tallystick run …`: what the operator does with runs. */
import type { StopMetric } from '#models/evaluation/stop-metrics.ts';
import type { RunView } from '#coordinator/http/run-view.ts';
import {
  OperatorClient,
  type OperatorOptions,
  type ParticipantSummary,
} from '#scripts/operator/operator-client.ts';
import { assertOptionsFit, type ProposalName } from '#scripts/operator/models.ts';
import { planFor, readContractFile, readPlanFile } from '#scripts/operator/plan-file.ts';
import { aucInWords, waitingInWords } from '#scripts/operator/run-words.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import { isConfirmed, type ConfirmOptions } from '#scripts/commands/confirm.ts';
import { EXIT, paint, print, printJson, say, table, unread } from '#scripts/commands/output.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

type Options = OperatorOptions & { json?: boolean };

export interface ProposeOptions extends Options {
  readonly contract: string;
  readonly plan?: string;
  readonly name: string;
  readonly model: ProposalName;
  readonly rounds?: number;
  readonly settings?: string;
  readonly participants?: string;
  readonly minimum?: number;
  readonly seed: string;
  readonly masked?: boolean;
  readonly plain?: boolean;
  readonly patience?: number;
  readonly chosenBy?: StopMetric;
  readonly targetAuc?: number;
  readonly watch?: boolean;
}

export async function proposeRun(options: ProposeOptions): Promise<number> {
  assertOptionsFit(options.model, options);
  const contract = await readContractFile(options.contract);
  const client = await OperatorClient.from(options);
  const plan =
    options.plan === undefined ? await planFromOptions(client, options) : await readPlanFile(options.plan);
  const run = await client.post<RunView>('/v1/runs', { contract, plan });
  if (options.watch === true) {
    say(`Proposed run ${run.run}`);
    return watch(run.run, options);
  }
  if (options.json === true) printJson(run);
  else
    print(
      `Proposed run ${run.run}\n${run.consents.length} banks are asked for consent. Watch it: tallystick run watch ${run.run.slice(0, 12)}`,
    );
  return EXIT.ok;
}

export async function planFromOptions(client: OperatorClient, options: ProposeOptions) {
  const { participants } = await client.get<{ participants: ParticipantSummary[] }>('/v1/participants');
  const admitted = participants.filter((p) => p.status === 'admitted').map((p) => p.participant);
  const asked = options.participants?.split(',') ?? admitted;
  if (asked.length === 0)
    throw new FederationError('COHORT', 'no bank is admitted yet; see "tallystick bank list"');
  return planFor({
    name: options.name,
    model: options.model,
    rounds: options.rounds,
    settings: options.settings,
    participants: asked,
    minimum: options.minimum ?? Math.max(Math.min(3, asked.length), Math.ceil((2 * asked.length) / 3)),
    seed: options.seed,
    aggregation: options.plain === true ? 'plain' : 'masked',
    patience: options.patience,
    chosenBy: options.chosenBy,
    targetAuc: options.targetAuc,
  });
}

export async function listRuns(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { runs } = await client.get<{ runs: Omit<RunView, 'rounds' | 'plan'>[] }>('/v1/runs');
  if (options.json === true) {
    printJson({ runs });
    return EXIT.ok;
  }
  if (runs.length === 0) {
    print('No runs yet. Propose one with: tallystick run propose --contract contract.json');
    return EXIT.ok;
  }
  print(
    table(
      ['run', 'name', 'phase', 'banks', 'AUC', 'proposed', 'outcome'],
      runs.map((run) => [
        run.run.slice(0, 12),
        run.name,
        run.phase,
        String(run.roster.length || run.consents.length),
        run.result?.metrics['auc']?.toFixed(4) ?? '',
        new Date(run.proposedAt).toISOString().slice(0, 16).replace('T', ' '),
        run.result !== undefined
          ? `${run.result.outcome}: ${run.result.reason}`
          : run.waiting === undefined
            ? ''
            : waitingInWords(waitingOf(run.waiting), Date.now()),
      ]),
      [3, 4],
    ),
  );
  return EXIT.ok;
}

/** Of a run, once it has ended: 0 when it completed, 1 when it failed or was stopped. */
function exitCodeOfRun({ outcome }: Pick<NonNullable<RunView['result']>, 'outcome'>): number {
  return outcome === 'completed' ? EXIT.ok : EXIT.failed;
}

/** Exit code 0 also while the run is open: it was shown. */
export async function showRun(run: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const view = await client.run(await client.resolveRun(run));
  const code = view.result === undefined ? EXIT.ok : exitCodeOfRun(view.result);
  if (options.json === true) {
    printJson(view);
    return code;
  }
  print(`${paint('bold', inert(view.name))}  ${view.run}`);
  print(
    `phase ${view.phase}, proposed ${new Date(view.proposedAt).toISOString()}, program ${inert(view.plan.program.name)}, ${view.plan.aggregation} aggregation\n`,
  );
  print(
    table(
      ['bank', 'consent', 'reason'],
      view.consents.map((c) => [c.participant, c.decision, c.reason]),
    ),
  );
  if (view.rounds.length > 0) {
    const figure = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4));
    print('');
    print(
      table(
        ['round', 'question', 'outcome', 'updates', 'without', 'seconds', 'AUC before', 'log-loss before'],
        view.rounds.map((r) => [
          `${r.round}${r.attempt > 0 ? `.${r.attempt}` : ''}`,
          r.kind,
          r.outcome,
          `${r.answered.length}/${view.roster.length}`,
          [
            ...r.refused.map((refusal) => `${refusal.participant}: ${refusal.code}`),
            ...missingIn(r, view),
          ].join(', '),
          r.endedAt === undefined ? '' : ((r.endedAt - r.openedAt) / 1000).toFixed(1),
          figure(r.metrics['auc']),
          figure(r.metrics['logLoss']),
        ]),
        [0, 3, 5, 6, 7],
      ),
    );
  }
  if (view.waiting !== undefined) print(`\n${waitingInWords(waitingOf(view.waiting), Date.now())}`);
  if (view.result !== undefined) printResult(view.result);
  return code;
}

/** As it came over the wire. */
function waitingOf({ since, ...rest }: NonNullable<RunView['waiting']>) {
  return { ...rest, since };
}

function printResult({ outcome, reason, artefact, metrics }: NonNullable<RunView['result']>): void {
  print(`\n${outcome}: ${inert(reason)}`);
  if (artefact !== undefined) print(`model ${artefact}`);
  const auc = aucInWords(metrics);
  const { ks, logLoss } = metrics;
  if (auc !== undefined) print(`${auc}\nKS ${ks?.toFixed(4)}, log-loss ${logLoss?.toFixed(4)}`);
}

/** Who did not answer a round that is over. */
function missingIn(round: RunView['rounds'][number], { roster }: RunView): string[] {
  if (round.outcome === 'collecting') return [];
  const refused = round.refused.map(({ participant }) => participant);
  return roster
    .filter((id) => !round.answered.includes(id) && !refused.includes(id))
    .map((id) => `${id}: no answer`);
}

export async function startRun(run: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const view = await client.post<RunView>(`/v1/runs/${await client.resolveRun(run)}/start`, {});
  if (options.json === true) printJson(view);
  else print(`Started with ${view.roster.length} banks: ${view.roster.join(', ')}`);
  return EXIT.ok;
}

export async function stopRun(
  run: string,
  options: Options & ConfirmOptions & { reason: string },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const { run: id, name, phase } = await client.run(await client.resolveRun(run));
  const what = `Run "${name}" (${id.slice(0, 12)}) would end without a model.`;
  // what is over is refused by the coordinator
  if (phase !== 'finished' && !(await isConfirmed(what, name, options))) return EXIT.ok;
  const view = await client.post<RunView>(`/v1/runs/${id}/stop`, {
    reason: options.reason,
  });
  if (options.json === true) printJson(view);
  else print(`Stopped ${view.run.slice(0, 12)}. The banks have been told; no model was made.`);
  return EXIT.ok;
}

/** Exit code 0 when the run completed, 1 when it failed or was stopped. Ctrl-C leaves the run alone. */
export async function watch(run: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const id = await client.resolveRun(run);
  const detach = detachOnInterrupt();
  const seen = await watchRun(client, id, {
    quiet: options.json === true,
    signal: detach,
    ...(options.json === true ? { onEntry: (entry) => printJson(entry) } : {}),
  });
  if (detach.aborted) {
    say(`\nThe run goes on. Watch it again: tallystick run watch ${id.slice(0, 12)}`);
    return EXIT.interrupted;
  }
  const { phase } = seen;
  if (phase.name !== 'finished') return EXIT.incomplete;
  if (options.json !== true) {
    for (const sentence of whyWithout(seen)) print(sentence);
    printResult({ at: phase.at, ...phase.result });
  }
  return exitCodeOfRun(phase.result);
}

/** Aborts at the first Ctrl-C, whose second ends the process, or when nobody reads on. */
export function detachOnInterrupt(): AbortSignal {
  const detach = new AbortController();
  process.once('SIGINT', () => detach.abort());
  return AbortSignal.any([detach.signal, unread]);
}

/** Of a run that has not completed: which bank did what, and its reason. */
function whyWithout({ phase, consents, past, culprits }: Run): string[] {
  if (phase.name !== 'finished' || phase.result.outcome === 'completed') return [];
  const last = past.at(-1)?.open;
  return [
    ...[...consents].flatMap(([id, { decision, reason }]) =>
      decision === 'refused' ? [`${id} refused: ${inert(reason)}`] : [],
    ),
    ...[...(last?.refusals ?? [])].map(
      ([index, { code, reason }]) =>
        `${last!.roster[index]} refused round ${last!.payload.round}: ${code}, ${inert(reason)}`,
    ),
    ...[...culprits].map(([id, code]) => `${id} was at fault: ${code}`),
  ];
}
