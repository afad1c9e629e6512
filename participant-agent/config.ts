/** The agent's configuration file, `agent.yaml`, and the folder it lives in. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse, parseDocument } from 'yaml';
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
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw cannotBeRead(path, cause, ifMissing);
  }
  return parseYaml(path, text, schema);
}

/** The same, while nothing else may happen. @throws FederationError CONFIG */
export function readYamlNow<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  ifMissing: string,
): z.infer<Schema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw cannotBeRead(path, cause, ifMissing);
  }
  return parseYaml(path, text, schema);
}

function parseYaml<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.infer<Schema> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new FederationError('CONFIG', `${path} is not YAML: ${describeError(cause)}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('CONFIG', `${path}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}

function cannotBeRead(path: string, cause: unknown, ifMissing: string): FederationError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new FederationError(
    'CONFIG',
    missing ? `${path} does not exist; ${ifMissing}` : `${path} cannot be read: ${describeError(cause)}`,
    { cause },
  );
}

/** The file that `agent enrol` writes. */
export function agentYaml(config: {
  url: string;
  charter: string;
  participant: string;
  dataFile: string;
  caFile?: string | undefined;
}): string {
  return `# Tallystick participant agent. Everything here stays at the bank.

coordinator:
  # Where the agent dials out to. Nobody dials in.
  url: ${JSON.stringify(config.url)}
  # Hash of the consortium's charter, from the invitation. The agent talks to no other consortium.
  charter: ${config.charter}
  # A certificate authority to trust besides the system's (PEM file):
${config.caFile === undefined ? '  # caFile: ca.pem' : `  caFile: ${JSON.stringify(config.caFile)}`}

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

/** Settings that a second `agent enrol` may correct. */
export interface Corrections {
  readonly url?: string | undefined;
  readonly dataFile?: string | undefined;
  readonly caFile?: string | undefined;
}

/**
 * Corrects a file that a person may have edited: their comments and settings stay.
 * @returns the new text, and what was changed, as sentences
 */
export function correctAgentYaml(
  text: string,
  corrections: Corrections,
): { text: string; changes: string[] } {
  const file = parseDocument(text);
  const changes: string[] = [];
  const settings = [
    ['coordinator.url', corrections.url],
    ['coordinator.caFile', corrections.caFile],
    ['data.file', corrections.dataFile],
  ] as const;
  for (const [name, value] of settings) {
    const path = name.split('.');
    const old: unknown = file.getIn(path);
    if (value === undefined || old === value) continue;
    file.setIn(path, value);
    changes.push(
      typeof old === 'string' ? `${name} is now ${value} (was ${old})` : `${name} is now ${value}`,
    );
  }
  return { text: changes.length === 0 ? text : String(file), changes };
}
