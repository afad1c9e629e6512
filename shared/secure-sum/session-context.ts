/** What every computation of one session depends on. Banks are numbered by their place in its sorted roster. */
export interface SessionContext {
  /** Message hash of the open-session, 32 bytes. */
  readonly sessionHash: Uint8Array;
  /** Hash over all advertised keys, 32 bytes: two banks that were shown different keys cannot read each other. */
  readonly rosterHash: Uint8Array;
  /** N */
  readonly banks: number;
  /** M: sums this session has key material for. */
  readonly slots: number;
  /** t: shares that give a seed. */
  readonly threshold: number;
}

/** Which of a bank's two seeds a share is of; 0 and 1 in hashes, in this order in share tables. */
export const SEED_KINDS = ['mask', 'self'] as const;
export type SeedKind = (typeof SEED_KINDS)[number];

export const SEED_BYTES = 32;
/** A share is the seed's length and its coordinate. */
export const SHARE_BYTES = SEED_BYTES + 1;
