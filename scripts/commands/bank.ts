/** `tallystick bank …`: what the operator does about members. */
import {
  OperatorClient,
  type OperatorOptions,
  type ParticipantSummary,
} from '#scripts/operator/operator-client.ts';
import { isConfirmed, type ConfirmOptions } from '#scripts/commands/confirm.ts';
import { EXIT, painted, print, printJson, say, table } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

export async function inviteBank(
  participant: string,
  options: Options & { publicUrl?: string; validHours: number },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const url = options.publicUrl ?? client.url;
  const local = localAddressIn(url);
  if (local !== undefined)
    say(
      `  warning: the invitation names ${url}, and ${local} reaches this machine only from itself; give banks elsewhere an address with --public-url`,
    );
  const { code } = await client.post<{ code: string }>('/v1/invitations', {
    participant,
    url,
    validHours: options.validHours,
  });
  if (options.json === true) {
    printJson({ participant, code, url });
    return EXIT.ok;
  }
  print(
    `Invitation for ${participant}, good once, for ${options.validHours} hours. Hand it over by a channel you trust:\n\n${code}\n`,
  );
  print(`The bank runs: tallystick agent enrol CODE --data applicants.csv   (its agent will dial ${url})`);
  return EXIT.ok;
}

/** The host of an address that means another machine wherever it is read. */
function localAddressIn(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined; // the coordinator says what is wrong with it
  const { hostname } = new URL(url);
  return /^(localhost|127\..*|0\.0\.0\.0|\[::1?\])$/.test(hostname) ? hostname : undefined;
}

function pathOf(participant: string): string {
  return `/v1/participants/${encodeURIComponent(participant)}`;
}

export async function listBanks(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { participants } = await client.get<{ participants: ParticipantSummary[] }>('/v1/participants');
  if (options.json === true) {
    printJson({ banks: participants });
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
        p.connected ? painted('green', 'yes') : 'no',
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
  const admitted = await client.post<ParticipantSummary>(`${pathOf(participant)}/admission`, {
    fingerprint,
  });
  if (options.json === true) printJson(admitted);
  else print(`${participant} is admitted. Its agent can take part from now on.`);
  return EXIT.ok;
}

export async function revokeBank(
  participant: string,
  options: Options & ConfirmOptions & { reason: string },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const what = `Bank "${participant}" would be out for good: nothing it signs is taken any more, and to come back it enrols under another id.`;
  if (!(await isConfirmed(what, participant, options))) return EXIT.ok;
  const revoked = await client.post<ParticipantSummary>(`${pathOf(participant)}/revocation`, {
    reason: options.reason,
  });
  if (options.json === true) printJson(revoked);
  else
    print(
      `${participant} is revoked: nothing it signs is taken any more. To come back it enrols under a new id.`,
    );
  return EXIT.ok;
}
