/** How many rows one bank may bring: every field that counts or adds up rows has room for so many. */
import type { Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Rows one bank may contribute; larger books are sampled by the bank. */
export const ROWS_MAX = 2 ** 20;

/** @throws FederationError TOO_LARGE when the table has more rows than sums have room for */
export function assertRows({ rowCount }: Table): void {
  if (rowCount <= ROWS_MAX) return;
  throw new FederationError(
    'TOO_LARGE',
    `expected at most ${ROWS_MAX} rows, got ${rowCount}; take a sample of them`,
  );
}
