/**
 * The command line. Commands are declared in `command-line/`, a file for each who uses them; their work is in
 * `commands/<noun>.ts`, loaded when needed.
 */
import { Command, CommanderError } from 'commander';
import { declareForAnybody } from '#scripts/command-line/anybody.ts';
import { declareForAuditors } from '#scripts/command-line/auditor.ts';
import { declareForBanks } from '#scripts/command-line/bank.ts';
import { declareForOperators } from '#scripts/command-line/operator.ts';
import { EXIT, printUsageError, tolerateClosedPipes } from '#scripts/commands/output.ts';
import { VERSION } from '#shared/protocol/version.ts';

const program = new Command('tallystick')
  .version(VERSION)
  .description(
    'Banks train one credit-risk model together; no applicant leaves its bank, and every round can be proven.',
  )
  .showHelpAfterError('(add --help for the options)')
  .exitOverride() // before any command is added: they inherit it
  .addHelpText(
    'after',
    `
Options of a command: tallystick COMMAND --help, as in tallystick run propose --help
Try it: tallystick demo
On your own file: tallystick simulate --data FILE --target COLUMN --positive VALUE --banks 3
Exit codes: 0 done · 1 done, and the answer is no · 2 not done or not completely · 130 interrupted`,
  );

declareForAnybody(program);
declareForOperators(program);
declareForAuditors(program);
declareForBanks(program);

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
