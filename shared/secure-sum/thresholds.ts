/**
 * How many banks what takes, for N banks of which up to c collude with the coordinator.
 *
 *   quorum    Q = ⌊(N + c) / 2⌋ + 1    certificates before anybody unmasks, votes before a round is asked again
 *   threshold t = max(c + 1, N + c − Q + 1)   shares that give a seed
 *   minimum     = max(3, c + 2)        banks in a sum: two honest ones at least
 *
 * Why. An honest bank certifies one set of survivors for a slot. Two different sets would need 2Q − c ≤ N
 * honest and colluding votes, so 2Q > N + c excludes a second. Colluders alone open nothing, since t > c.
 * After Q votes to abort, at most N − Q honest banks and c colluders can still give shares of the old slot:
 * t > N + c − Q makes it dead, and the same question may be asked again. (Bonawitz et al. 2017 use one
 * threshold, 2t > N + c, for both purposes; splitting it lets recovery go on with fewer banks.)
 */
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface Thresholds {
  /** c: banks that may collude with the coordinator and each other. */
  readonly colluders: number;
  /** Q */
  readonly quorum: number;
  /** t */
  readonly threshold: number;
  /** Smallest set of survivors. */
  readonly minimum: number;
}

/** Below three banks a sum shows each bank the others' part. */
export const SESSION_BANKS_MIN = 3;
/** Share coordinates are one byte, and every pair of banks agrees on a key. */
export const SESSION_BANKS_MAX = 128;

/**
 * @param banks N, 3 to 128
 * @param colluders c: the consortium's (ledger/company.ts), which does not become less when banks leave
 * @throws FederationError COHORT when there are too few banks, or too few honest ones
 */
export function thresholdsFor(
  banks: number,
  colluders: number = Math.max(1, Math.floor(banks / 3)),
): Thresholds {
  if (!Number.isInteger(banks) || banks < SESSION_BANKS_MIN || banks > SESSION_BANKS_MAX) {
    throw new FederationError(
      'COHORT',
      `masked sums are for ${SESSION_BANKS_MIN} to ${SESSION_BANKS_MAX} banks, got ${banks}`,
    );
  }
  const minimum = Math.max(SESSION_BANKS_MIN, colluders + 2);
  if (banks < minimum)
    throw new FederationError(
      'COHORT',
      `with ${colluders} banks that may collude, masked sums are for ${minimum} banks at least, got ${banks}`,
    );
  const quorum = Math.floor((banks + colluders) / 2) + 1;
  return {
    colluders,
    quorum,
    threshold: Math.max(colluders + 1, banks + colluders - quorum + 1),
    minimum,
  };
}
