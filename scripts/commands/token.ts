/** `tallystick token …`: who may use the coordinator's API, besides the banks, under which name and for how long. */
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, print, printJson, table } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

export async function addToken(
  name: string,
  options: Options & { role: string; days: number },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const { role, days } = options;
  const made = await client.post<{ token: string; expiresAt: number }>('/v1/tokens', { name, role, days });
  if (options.json === true) printJson(made);
  else print(`Token "${name}" (${role}, until ${dateOf(made.expiresAt)}), shown only now:\n\n${made.token}`);
  return EXIT.ok;
}

export async function listTokens(options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  const { tokens } = await client.get<{
    tokens: {
      name: string;
      role: string;
      createdAt: number;
      expiresAt: number;
      lastUsedAt: number | null;
    }[];
  }>('/v1/tokens');
  if (options.json === true) printJson({ tokens });
  else
    print(
      table(
        ['name', 'role', 'made', 'ends', 'last used'],
        tokens.map((t) => [
          ...[t.name, t.role, dateOf(t.createdAt), dateOf(t.expiresAt)],
          t.lastUsedAt === null ? 'never' : dateOf(t.lastUsedAt),
        ]),
      ),
    );
  return EXIT.ok;
}

const dateOf = (ms: number): string => new Date(ms).toISOString();

export async function removeToken(name: string, options: Options): Promise<number> {
  const client = await OperatorClient.from(options);
  await client.post(`/v1/tokens/${encodeURIComponent(name)}/removal`, {});
  if (options.json === true) printJson({ removed: name });
  else print(`Token "${name}" is worth nothing any more.`);
  return EXIT.ok;
}
