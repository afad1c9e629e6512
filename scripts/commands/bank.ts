/** `tallystick bank …` and `tallystick token …`: what the operator does about members and access. */
import {
  OperatorClient,
  type OperatorOptions,
  type ParticipantSummary,
} from '#scripts/operator/operator-client.ts';
import { EXIT, paint, print, printJson, table } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

export async function inviteBank(
  participant: string,
  options: Options & { publicUrl?: string; validHours: string },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const url = options.publicUrl ?? client.url;
  const { code } = await client.post<{ code: string }>('/v1/invitations', {
    participant,
    url,
    validHours: Number(options.validHours),
  });
  if (options.json === true) {
    printJson({ participant, code });
    return EXIT.ok;
  }
  print(
    `Invitation for ${participant}, good once, for ${options.validHours} hours. Hand it over by a channel you trust:\n\n${code}\n`,
  );
  print(`The bank runs: tallystick agent enrol CODE --data applicants.csv   (its agent will dial ${url})`);
  return EXIT.ok;
}

export async function listBanks(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { participants } = await client.get<{ participants: ParticipantSummary[] }>('/v1/participants');
  if (options.json === true) {
    printJson(participants);
    return EXIT.ok;
  }
  if (participants.length === 0) {
    print('No bank has enrolled yet. Invite one with: tallystick bank invite ID');
    return EXIT.ok;
  }
  print(
    table(
      ['bank', 'status', 'connected', 'fingerprint'],
      participants.map((p) => [
        p.participant,
        p.status,
        p.connected ? paint('green', 'yes') : 'no',
        p.fingerprint,
      ]),
    ),
  );
  if (participants.some((p) => p.status === 'enrolled')) {
    print(
      '\nAdmit an enrolled bank after comparing its fingerprint with the bank itself: tallystick bank admit ID FINGERPRINT',
    );
  }
  return EXIT.ok;
}

export async function admitBank(participant: string, fingerprint: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const admitted = await client.post<ParticipantSummary>(`/v1/participants/${participant}/admission`, {
    fingerprint,
  });
  if (options.json === true) printJson(admitted);
  else print(`${participant} is admitted. Its agent can take part from now on.`);
  return EXIT.ok;
}

export async function revokeBank(
  participant: string,
  options: Options & { reason: string },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const revoked = await client.post<ParticipantSummary>(`/v1/participants/${participant}/revocation`, {
    reason: options.reason,
  });
  if (options.json === true) printJson(revoked);
  else
    print(
      `${participant} is revoked: nothing it signs is taken any more. To come back it enrols under a new id.`,
    );
  return EXIT.ok;
}

export async function addToken(name: string, options: Options & { role: string }): Promise<number> {
  const client = await OperatorClient.from(options);
  const made = await client.post<{ token: string }>('/v1/tokens', { name, role: options.role });
  if (options.json === true) printJson(made);
  else print(`Token "${name}" (${options.role}), shown only now:\n\n${made.token}`);
  return EXIT.ok;
}

export async function listTokens(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { tokens } = await client.get<{ tokens: { name: string; role: string; createdAt: number }[] }>(
    '/v1/tokens',
  );
  if (options.json === true) printJson(tokens);
  else
    print(
      table(
        ['name', 'role', 'made'],
        tokens.map((t) => [t.name, t.role, new Date(t.createdAt).toISOString()]),
      ),
    );
  return EXIT.ok;
}

export async function removeToken(name: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  await client.post(`/v1/tokens/${encodeURIComponent(name)}/removal`, {});
  if (options.json === true) printJson({ removed: name });
  else print(`Token "${name}" is worth nothing any more.`);
  return EXIT.ok;
}
