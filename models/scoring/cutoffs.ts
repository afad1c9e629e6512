/** What a PD leads to. A cut-off is the bank's decision, not the model's: it travels with the model, unused by it. */
import { z } from 'zod';

/** PDs: below the one approve, from the other on decline, between them a person decides. */
export const cutoffs = z
  .strictObject({ approveBelow: z.number().min(0).max(1), declineFrom: z.number().min(0).max(1) })
  .refine((c) => c.approveBelow <= c.declineFrom, { message: 'approveBelow must not exceed declineFrom' });
export type Cutoffs = z.infer<typeof cutoffs>;

export type Decision = 'approve' | 'refer' | 'decline';

export function decide(pd: number, { approveBelow, declineFrom }: Cutoffs): Decision {
  return pd < approveBelow ? 'approve' : pd >= declineFrom ? 'decline' : 'refer';
}
