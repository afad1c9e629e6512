/**
 * The database's refusals as our own error DATABASE: the world's fault, worth another try. They are told apart from the
 * disk's at the door, where every query passes: a connection that breaks and a file that breaks look alike later.
 */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** As people are told of it. */
export type DatabaseName = 'PostgreSQL (DATABASE_URL)' | 'the embedded database in the data folder';

/** What it means when the server says so, by class of SQLSTATE. Other classes are about the statement. */
const FAULTS: Readonly<Record<string, string>> = {
  '08': 'does not answer',
  '25': 'takes no writes',
  '28': 'does not let this coordinator in',
  '3D': 'does not let this coordinator in',
  '40': 'gave up a transaction',
  '53': 'has run out of what it needs',
  '55': 'is not ready',
  '57': 'does not answer',
  '58': 'has failed',
  XX: 'has failed',
};

/** @returns a FederationError DATABASE when the database is to blame and not the statement, otherwise `error` itself */
export function asDatabaseFault(error: unknown, name: DatabaseName): unknown {
  if (!(error instanceof Error) || error instanceof FederationError) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error;
  // what comes without a severity was not said by the server: the connection to it broke, or was never made
  const fault =
    'severity' in error ? FAULTS[String((error as { code?: unknown }).code).slice(0, 2)] : 'does not answer';
  if (fault === undefined) return error;
  return new FederationError('DATABASE', `${name} ${fault}: ${describe(error)}`, { cause: error });
}

/** Of a name with several addresses: what the first of them said. */
function describe(error: Error): string {
  return error instanceof AggregateError && error.errors.length > 0
    ? describeError(error.errors[0])
    : describeError(error);
}
