/** A run in words that are the same in lists, on the watching screen and for one run. */
import { aucHalfWidth } from '#models/metrics/auc-interval.ts';
import type { Waiting } from '#shared/ledger/waiting.ts';

/** From here on a bound of ties is worth a word: figures are shown with four digits. */
const TIES_WORTH_A_WORD = 0.0005;

/** The hold-out AUC with its 95 % interval, where rows and outcomes are known. @returns undefined without one */
export function aucInWords(metrics: Readonly<Record<string, number>>): string | undefined {
  const { auc, aucError = 0, holdoutRows, badRate } = metrics;
  if (auc === undefined) return undefined;
  const bads = holdoutRows === undefined || badRate === undefined ? undefined : badRate * holdoutRows;
  const half = bads === undefined ? NaN : aucHalfWidth(auc, bads, holdoutRows! - bads);
  const interval = Number.isFinite(half)
    ? ` (95 % ${Math.max(0, auc - half).toFixed(3)} to ${Math.min(1, auc + half).toFixed(3)}, by ${Math.round(bads!)} bad of ${holdoutRows} rows)`
    : '';
  const ties =
    aucError > TIES_WORTH_A_WORD ? `; equal scores leave it open by at most ${aucError.toFixed(4)}` : '';
  return `hold-out AUC ${auc.toFixed(4)}${interval}${ties}`;
}

const WAITS_FOR: Readonly<Record<Waiting['what'], string>> = {
  consent: 'consent of',
  keys: 'keys of',
  updates: 'updates of',
  certificates: 'agreement on who is in the sum by',
  shares: 'shares of',
  cosignatures: 'cosignatures, any',
};

/** @param now undefined leaves out since when */
export function waitingInWords({ what, banks, needed, since }: Waiting, now?: number): string {
  const some = what === 'cosignatures' ? ` ${needed} of` : '';
  const long = now === undefined || since === undefined ? '' : `, for ${durationInWords(now - since)}`;
  return `waits for ${WAITS_FOR[what]}${some} ${banks.join(', ')}${long}`;
}

export function durationInWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
