/** Commands for anybody with a machine: no consortium is needed. */
import { Argument, type Command, Option } from 'commander';
import { aggregation, json, numberOption, run, several } from '#scripts/command-line/declare.ts';
import { DEMO_ROUNDS, DEFAULT_ROUNDS, MODELS, describeRounds } from '#scripts/operator/models.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export function declareForAnybody(program: Command): void {
  program
    .command('demo')
    .description('five banks and a coordinator on this machine train, compare and verify')
    .addOption(new Option('--model <model>', 'which model').choices(MODELS).default('mlp'))
    .addOption(
      numberOption('--rounds <n>', `rounds of training, or trees (${describeRounds(DEMO_ROUNDS)})`, {
        min: 1,
        max: LIMITS.roundsMax,
      }),
    )
    .option('--seed <text>', 'seed of data and plan', '2026')
    .option('--keep <folder>', 'keep everything in this folder, which is new or empty')
    .option('--chaos', 'kill and restart processes while they train')
    .addOption(json())
    .action(run(async () => (await import('#scripts/demo/demo.ts')).demo));

  program
    .command('completion')
    .description('a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh']))
    .action(async (shell: 'bash' | 'zsh') => {
      const { printCompletion } = await import('#scripts/commands/completion.ts');
      process.exitCode = printCompletion(program, shell);
    });

  const simulation = program
    .command('simulate')
    .description('split one file into banks and see what a federation would bring')
    .requiredOption('--data <file>', 'CSV (also .gz) or Parquet')
    .option('--target <column>', 'the outcome (without --contract)')
    .option(
      '--positive <value>',
      'the value of the target that means bad; may be given several times (without --contract)',
      several,
    )
    .option(
      '--good <value>',
      'the value that means good, where there are more than two; may be given several times',
      several,
    )
    .option('--exclude <columns>', 'columns to leave out, with commas between (without --contract)')
    .option('--partition-by <column>', 'its N largest groups become banks, the rest joins the last')
    .addOption(
      numberOption('--banks <n>', 'number of banks', { min: 2, max: LIMITS.participantsMax, default: 3 }),
    )
    .addOption(new Option('--skew <how>', 'iid or dirichlet:ALPHA').conflicts('partitionBy'))
    .addOption(new Option('--model <model>', 'which model').choices(MODELS).default('mlp'))
    .addOption(
      numberOption(
        '--rounds <n>',
        `rounds of training of a network, trees of a gbdt (${describeRounds(DEFAULT_ROUNDS)})`,
        { min: 1, max: LIMITS.roundsMax },
      ),
    )
    .option('--settings <json>', 'settings of the program')
    .addOption(
      numberOption('--test-fraction <f>', 'share of rows kept to judge with', {
        min: 0.01,
        max: 0.9,
        fraction: true,
        default: 0.3,
      }),
    )
    .option('--seed <text>', 'seed of every split and of training', '0')
    .addOption(
      new Option('--contract <file>', 'data contract; without it one is inferred').conflicts([
        'target',
        'positive',
        'good',
        'exclude',
      ]),
    );
  aggregation(simulation, 'the coordinator sees each update')
    .addOption(json())
    .action(run(async () => (await import('#scripts/simulate/simulate.ts')).simulate));
}
