/**
 * How many rows are kept back when everybody draws by record key, and when to believe that somebody did not.
 *
 * A draw rounds the share of each cell (rows with all features in common) up or down by one u, at every bank and
 * for both outcomes (record-keys.ts). The number of n rows that is kept back is therefore a sum of independent
 * terms, one a cell, of a width c ≤ min(groups, rows of the cell), where the cell's groups are those of equal rows
 * at one bank: Σ c² ≤ groups · n. Hoeffding (1963), theorem 2:
 *
 *   P(|kept − fraction · n| ≥ t) ≤ 2 exp(−2 t² / (groups · n))
 *
 * whatever the rows are, however many copies of each other they have and however few they are.
 */
import { FederationError } from '#shared/protocol/error-codes.ts';

/** ln(2 / 10⁻⁹): what is beyond happens to honest banks in one count of a thousand million, if at all. */
const LOG_ODDS = 21.416413017506358;

/** Largest believable difference between the rows kept back, of n, and their share. */
function slack(n: number, groups: number): number {
  return Math.sqrt((n * groups * LOG_ODDS) / 2);
}

export interface Outcomes {
  readonly rows: number;
  readonly bads: number;
}

/** How rows were to be kept back. */
export interface KeptBackDraw {
  /** Share of the rows. */
  readonly holdoutFraction: number;
  /** Size of the roster. */
  readonly participants: number;
}

/**
 * @param kept back by all banks together
 * @param training the others of the same banks
 * @throws FederationError DATA_SOURCE when too many or too few bads or goods were kept back for it to be chance
 */
export function assertKeptBack(kept: Outcomes, training: Outcomes, draw: KeptBackDraw): void {
  const goods = ({ rows, bads }: Outcomes) => rows - bads;
  assertShare('bads', kept.bads, kept.bads + training.bads, draw);
  assertShare('goods', goods(kept), goods(kept) + goods(training), draw);
}

function assertShare(
  what: string,
  kept: number,
  all: number,
  { holdoutFraction, participants }: KeptBackDraw,
): void {
  const most = slack(all, participants);
  if (Math.abs(kept - holdoutFraction * all) <= most) return;
  throw new FederationError(
    'DATA_SOURCE',
    `expected ${percent(holdoutFraction)} ± ${percent(most / all)} of all banks' ${what} to be kept back for judging, ` +
      `got ${percent(kept / all)}: a bank draws its rows in another way than the plan says, and what the run learnt ` +
      'and how it judges are bent by it. See that every agent runs the same version, then propose the run again',
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The most of so many rows, all at one bank, that are kept back. */
export function keptBackMax(rows: number, fraction: number): number {
  return Math.min(rows, Math.ceil(rows * fraction + slack(rows, 2)));
}
