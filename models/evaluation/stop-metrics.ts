/** The figures by which models are told apart while a run goes on. No schema here: the command line needs only names. */
export const STOP_METRICS = ['logLoss', 'brier', 'auc', 'ks'] as const;
export type StopMetric = (typeof STOP_METRICS)[number];

/** What people call them. */
export const METRIC_NAMES: Record<StopMetric, string> = {
  logLoss: 'log-loss',
  brier: 'Brier score',
  auc: 'AUC',
  ks: 'KS',
};

/** Of losses less is better. */
const LESS_IS_BETTER: readonly StopMetric[] = ['logLoss', 'brier'];

/** Whether `a` is better than `b`; a figure that does not exist is worse than any. */
export function isBetter(by: StopMetric, a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || Number.isNaN(a)) return false;
  if (b === undefined || Number.isNaN(b)) return true;
  return LESS_IS_BETTER.includes(by) ? a < b : a > b;
}
