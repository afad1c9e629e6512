/**
 * A secret that a command takes. On the command line everybody on the machine can read it in the list of processes, and
 * the shell keeps it in its history; so it may also be in a file, `@FILE`, or come over standard input, `-`.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** @throws FederationError USAGE when the file cannot be read */
export async function secretIn(argument: string): Promise<string> {
  if (argument === '-') return (await text(process.stdin)).trim();
  if (!argument.startsWith('@')) return argument;
  try {
    return (await readFile(argument.slice(1), 'utf8')).trim();
  } catch (cause) {
    throw new FederationError('USAGE', `cannot read ${argument.slice(1)}: ${describeError(cause)}`, {
      cause,
    });
  }
}
