/** What a run looks at between rounds to choose among its models and to end. */
import { z } from 'zod';
import { isBetter, STOP_METRICS } from '#models/evaluation/stop-metrics.ts';

const metric = z.enum(STOP_METRICS);

/** By which figure on rows kept back one model is better than another. */
export const chosenBy = metric.default('logLoss');

/** Stop as soon as this figure, on rows kept back, is this good. */
export const target = z.strictObject({ metric, value: z.number().min(0).max(100) });
export type Target = z.infer<typeof target>;

export function isReached({ metric: of, value }: Target, figures: Readonly<Record<string, number>>): boolean {
  const found = figures[of];
  return found !== undefined && (found === value || isBetter(of, found, value));
}
