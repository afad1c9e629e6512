/** `tallystick token …`: who may use the coordinator's API, besides the banks. */
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, print, printJson, table } from '#scripts/commands/output.ts';

type Options = OperatorOptions & { json?: boolean };

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
  if (options.json === true) printJson({ tokens });
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
