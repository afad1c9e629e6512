/** In how fine a grain banks add up, so that 128 banks of 2^20 rows stay below 2^53. */

/** Of an entry of the information matrix, at most 16 a row: it sets the pace, not where Newton's method ends. */
export const INFORMATION_QUANTA = 2 ** 21;
/** Of a log-loss. */
export const LOSS_QUANTA = 2 ** 20;
