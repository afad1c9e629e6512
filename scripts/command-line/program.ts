/** All commands, declared. */
import { Command } from 'commander';
import { declareForAnybody } from '#scripts/command-line/anybody.ts';
import { declareForAuditors } from '#scripts/command-line/auditor.ts';
import { declareForBanks } from '#scripts/command-line/bank.ts';
import { addExamples } from '#scripts/command-line/examples.ts';
import { declareForOperators } from '#scripts/command-line/operator.ts';
import { VERSION } from '#shared/protocol/version.ts';

export function createProgram(): Command {
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
  addExamples(program);
  return program;
}
