/** The file system's refusals as our own error: the world's fault, worth another try. */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** @returns a FederationError STORAGE for an error of the file system, otherwise `error` itself */
export function asStorageError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FederationError) return error;
  if ((error as NodeJS.ErrnoException).syscall === undefined) return error;
  return new FederationError(
    'STORAGE',
    `the coordinator's disk does not take or give what it should: ${describeError(error)}`,
    { cause: error },
  );
}

/** Whether the disk or the database is to blame: the same may go well a moment later. */
export function isStorageFault(error: unknown): boolean {
  return error instanceof FederationError && (error.code === 'STORAGE' || error.code === 'DATABASE');
}
