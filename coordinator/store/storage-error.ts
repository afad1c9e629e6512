/** The file system's and the database's refusals as our own error: the world's fault, worth another try. */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/**
 * SQLSTATE classes in which the database is to blame and not the statement: connection, transaction (read-only),
 * authorization, no such database, resources, wrong state, operator intervention, system, internal.
 */
const DATABASE_CLASSES = /^(08|25|28|3D|53|55|57|58|XX)/;
/** What pg says when the server went away; these errors have no code. */
const GONE = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;

/** @returns a FederationError STORAGE for an error of the system or the database, otherwise `error` itself */
export function asStorageError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FederationError) return error;
  const { syscall, code } = error as NodeJS.ErrnoException;
  const isDatabase = 'severity' in error ? DATABASE_CLASSES.test(code ?? '') : GONE.test(error.message);
  if (isDatabase) {
    return new FederationError('STORAGE', `the database does not answer: ${describeError(error)}`, {
      cause: error,
    });
  }
  if (syscall === undefined) return error;
  return new FederationError(
    'STORAGE',
    `the disk does not take or give what it should: ${describeError(error)}`,
    {
      cause: error,
    },
  );
}
