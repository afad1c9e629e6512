/** The file system's and the database's refusals as our own error: the world's fault, worth another try. */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** @returns a FederationError STORAGE for an error of the operating system, otherwise `error` itself */
export function asStorageError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FederationError) return error;
  const { syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  return new FederationError(
    'STORAGE',
    `the disk does not take or give what it should: ${describeError(error)}`,
    {
      cause: error,
    },
  );
}
