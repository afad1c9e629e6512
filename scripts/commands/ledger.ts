/** `tallystick ledger …`: what an operator does about the ledger itself. */
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import type { RunView } from '#coordinator/http/run-view.ts';
import { isConfirmed, type ConfirmOptions } from '#scripts/commands/confirm.ts';
import { EXIT, print, printJson } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

const DAY_MS = 86_400_000;

export async function expireBodies(
  options: Options & ConfirmOptions & { keepDays: number },
): Promise<number> {
  const { keepDays } = options;
  const client = await OperatorClient.from(options);
  const { runs: all } = await client.get<{ runs: Pick<RunView, 'name' | 'result'>[] }>('/v1/runs');
  const before = Date.now() - keepDays * DAY_MS;
  const due = all.filter(({ result }) => result !== undefined && result.at <= before).map(({ name }) => name);
  const what = `The bodies of up to ${due.length} runs would be deleted${due.length === 0 ? '' : ` (${due.join(', ')})`}: their sums can never be recomputed again.`;
  if (!(await isConfirmed(what, 'delete', options))) return EXIT.ok;
  const { runs } = await client.post<{ runs: string[] }>('/v1/retention', { keepDays });
  if (options.json === true) printJson({ runs });
  else if (runs.length === 0) print('No run ended that long ago: nothing was deleted.');
  else print(`Bodies of ${runs.length} runs are deleted; their entries and models stay.`);
  return EXIT.ok;
}

export async function recordIncident(reason: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  await client.post('/v1/incidents', { reason });
  if (options.json === true) printJson({ recorded: true });
  else print('Recorded in the ledger.');
  return EXIT.ok;
}

export async function rotateLogKey(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { logKey } = await client.post<{ logKey: string }>('/v1/ledger/key', {});
  if (options.json === true) printJson({ logKey });
  else
    print(`Heads of the ledger are signed by a new key from now on: ${logKey}. Back up the folder "keys".`);
  return EXIT.ok;
}

export async function rotateIdentity(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { coordinatorKey } = await client.post<{ coordinatorKey: string }>('/v1/ledger/identity', {});
  if (options.json === true) printJson({ coordinatorKey });
  else
    print(
      `The coordinator signs with a new key from now on: ${coordinatorKey}. Banks follow by themselves; the charter stays. Back up the folder "keys".`,
    );
  return EXIT.ok;
}
