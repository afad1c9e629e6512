/**
 * The command line. Commands are declared in `command-line/`, a file for each who uses them; their work is in
 * `commands/<noun>.ts`, loaded when needed.
 */
import { CommanderError } from 'commander';
import { createProgram } from '#scripts/command-line/program.ts';
import { EXIT, printUsageError, tolerateClosedPipes } from '#scripts/commands/output.ts';

const program = createProgram();

tolerateClosedPipes();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOfUsage(error);
}

/** Commander has said it to people already. */
function exitCodeOfUsage(error: unknown): number {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) return EXIT.ok; // --help, --version
  if (process.argv.includes('--json')) printUsageError(error.message);
  return EXIT.incomplete;
}
