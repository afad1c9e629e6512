/** What a plan says to the `profile` program. */
import { z } from 'zod';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export const profileSettings = z.strictObject({
  /** Cells with fewer rows are not published. */
  kMin: z.int().min(5).max(1_000_000).default(20),
});
export type ProfileSettings = z.infer<typeof profileSettings>;

/** @throws FederationError PLAN naming the setting */
export function parseProfileSettings(settings: Json): ProfileSettings {
  const parsed = profileSettings.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('PLAN', `program.settings.${issue.path.join('.')}: ${issue.message}`);
}
