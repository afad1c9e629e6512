/** `tallystick ledger …`: what an operator does about the ledger itself. */
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, print, printJson } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

export async function expireBodies(options: Options & { keepDays: number }): Promise<number> {
  const { keepDays } = options;
  const client = await OperatorClient.from(options);
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
