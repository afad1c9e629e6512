/** What a plan says to its program, by the schema of that program. */
import type { z } from 'zod';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** @throws FederationError PLAN naming the setting */
export function parseSettings<Schema extends z.ZodType>(schema: Schema, settings: Json): z.output<Schema> {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('PLAN', `${['program.settings', ...issue.path].join('.')}: ${issue.message}`);
}
