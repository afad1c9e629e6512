/** The agent's configuration file, `agent.yaml`, and the folder it lives in. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { hash, participantId } from '#shared/protocol/ids.ts';

export const agentConfig = z.strictObject({
  coordinator: z.strictObject({
    url: z.url({ protocol: /^https?$/ }),
    /** Hash of the charter: the agent talks to no other consortium. */
    charter: hash,
    /** PEM file of a certificate authority to trust besides the system's. */
    caFile: z.string().optional(),
  }),
  participant: participantId,
  data: z.strictObject({
    /** CSV (also .gz) or Parquet. Relative paths start at the agent's folder. */
    file: z.string().min(1),
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});
export type AgentConfig = z.infer<typeof agentConfig>;

/** @throws FederationError CONFIG naming the file and the setting */
export async function readAgentConfig(folder: string): Promise<AgentConfig> {
  const config = await readYaml(
    join(folder, 'agent.yaml'),
    agentConfig,
    'run "tallystick agent enrol" first',
  );
  return { ...config, data: { ...config.data, file: resolve(folder, config.data.file) } };
}

/** @throws FederationError CONFIG */
export async function readYaml<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  ifMissing: string,
): Promise<z.infer<Schema>> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new FederationError(
      'CONFIG',
      missing ? `${path} does not exist; ${ifMissing}` : `${path} cannot be read: ${describeError(cause)}`,
      { cause },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('CONFIG', `${path}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}

/** The file that `agent enrol` writes. */
export function agentYaml(config: {
  url: string;
  charter: string;
  participant: string;
  dataFile: string;
}): string {
  return `# Tallystick participant agent. Everything here stays at the bank.

coordinator:
  # Where the agent dials out to. Nobody dials in.
  url: ${JSON.stringify(config.url)}
  # Hash of the consortium's charter, from the invitation. The agent talks to no other consortium.
  charter: ${config.charter}
  # A certificate authority to trust besides the system's (PEM file):
  # caFile: ca.pem

# This bank's id in the consortium.
participant: ${config.participant}

data:
  # Applicants with their outcomes: CSV (also .gz) or Parquet. Read when a run is proposed; never sent.
  # Relative paths start at this folder.
  file: ${JSON.stringify(config.dataFile)}

# debug, info, warn or error
logLevel: info
`;
}
