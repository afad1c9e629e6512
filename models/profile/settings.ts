/** What a plan says to the `profile` program. */
import { z } from 'zod';

export const profileSettings = z.strictObject({
  /** Cells with fewer rows are not published. */
  kMin: z.int().min(5).max(1_000_000).default(20),
});
export type ProfileSettings = z.infer<typeof profileSettings>;
