/** What a run looks at between rounds to choose among its models and to end. */
import { z } from 'zod';

export const STOP_METRICS = ['logLoss', 'brier', 'auc', 'ks'] as const;
export type StopMetric = (typeof STOP_METRICS)[number];

const metric = z.enum(STOP_METRICS);

/** By which figure on rows kept back one model is better than another. */
export const chosenBy = metric.default('logLoss');

/** Stop as soon as this figure, on rows kept back, is this good. */
export const target = z.strictObject({ metric, value: z.number().min(0).max(100) });
export type Target = z.infer<typeof target>;

/** Of losses less is better. */
const LESS_IS_BETTER: readonly StopMetric[] = ['logLoss', 'brier'];

/** What people call them. */
export const METRIC_NAMES: Record<StopMetric, string> = {
  logLoss: 'log-loss',
  brier: 'Brier score',
  auc: 'AUC',
  ks: 'KS',
};

/** Whether `a` is better than `b`; a figure that does not exist is worse than any. */
export function isBetter(by: StopMetric, a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || Number.isNaN(a)) return false;
  if (b === undefined || Number.isNaN(b)) return true;
  return LESS_IS_BETTER.includes(by) ? a < b : a > b;
}

export function isReached({ metric: of, value }: Target, figures: Readonly<Record<string, number>>): boolean {
  const found = figures[of];
  return found !== undefined && (found === value || isBetter(of, found, value));
}
