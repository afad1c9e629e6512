/** What a coordinator is started with: read once from flags and environment, typed from then on. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { LEAST_RETENTION_DAYS } from '#shared/ledger/record-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { legible } from '#shared/protocol/foreign-text.ts';
import { company } from '#shared/protocol/payloads/consortium.ts';

export const coordinatorConfig = z.strictObject({
  /** Keys, bodies and, without PostgreSQL, the database. */
  dataDir: z
    .string()
    .min(1)
    .transform((path) => resolve(path)),
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 lets the system choose. */
  port: z.int().min(0).max(65_535).default(7400),
  databaseUrl: z
    .string()
    .regex(/^postgres(ql)?:\/\//)
    .optional(),
  /** How long a database that goes away while we run is waited for, before the coordinator ends. */
  databasePatienceMs: z.int().min(0).max(3_600_000).default(60_000),
  /** Its name in the charter, at the first start; later it must be the same, if it is given. */
  consortium: legible(z.string().min(1).max(100)).optional(),
  /** Days for which a run's bodies are kept after its end, at least; goes into the charter at the first start. */
  leastRetentionDays: z.int().min(0).max(36_500).default(LEAST_RETENTION_DAYS),
  /** In whose company answers are added up; goes into the charter at the first start. */
  company: company.optional(),
  /** Opens the sealed keys; without it a key file in the data folder does. */
  passphrase: z.string().min(1).optional(),
  /** PEM files; without them TLS ends at a proxy in front, or nowhere on a loopback address. */
  tls: z.strictObject({ certFile: z.string(), keyFile: z.string() }).optional(),
  /**
   * Requests a minute from one address; those for bodies by somebody with a token, and those for the health of the
   * coordinator, are not counted. Enough for a thousand banks behind one address that look around every ten seconds.
   */
  requestsPerMinute: z.int().min(1).max(10_000_000).default(6000),
  /** Proxies of one's own in front, each of which adds to X-Forwarded-For; with 0 that header is not believed. */
  trustProxy: z.int().min(0).max(10).default(0),
});
export type CoordinatorConfig = z.infer<typeof coordinatorConfig>;

/** @throws FederationError CONFIG naming the setting */
export function parseCoordinatorConfig(value: z.input<typeof coordinatorConfig>): CoordinatorConfig {
  const parsed = coordinatorConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('CONFIG', `coordinator setting "${issue.path.join('.')}": ${issue.message}`);
}
