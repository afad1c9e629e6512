/** How commands are declared: their options, and what becomes of an action's result or failure. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { reportError } from '#scripts/commands/output.ts';

export type Action = (...args: never[]) => Promise<number>;

/** Runs a command and turns whatever happens into an exit code. @param load brings in the command's work, when needed */
export function run(load: () => Promise<Action>): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const options = command.optsWithGlobals<{ json?: boolean }>();
    try {
      const action = (await load()) as (...args: unknown[]) => Promise<number>;
      process.exitCode = await action(...command.processedArgs, options);
    } catch (error) {
      process.exitCode = reportError(error, options.json === true);
    }
  };
}

export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** Not only whole numbers. */
  readonly fraction?: boolean;
  readonly default?: number;
}

/** A number, checked before any work is done. */
export function numberOption(flags: string, description: string, range: NumberRange): Option {
  const { min, max, fraction = false } = range;
  const option = new Option(flags, description).argParser((text: string): number => {
    const value = /^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max && (fraction || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`Expected a ${fraction ? '' : 'whole '}number from ${min} to ${max}.`);
  });
  return range.default === undefined ? option : option.default(range.default);
}

/** Gathers an option that may be given several times. */
export function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export const json = (): Option => new Option('--json', 'one JSON object on standard output');

/** For what cannot be undone. */
export function irreversible(command: Command): Command {
  return command
    .option('--yes', 'do it without a question')
    .option('--dry-run', 'say what would happen, and do nothing');
}

/** Ends the process when whoever started it is gone: for processes that start others. */
export const stopWithParent = (): Option => new Option('--stop-with-parent').hideHelp();

export function logLevel(description: string): Option {
  return new Option('--log-level <level>', description).choices(['debug', 'info', 'warn', 'error']);
}

/** The two ways to add up, of which masked is the default. */
export function aggregation(command: Command, plain: string): Command {
  return command
    .option('--masked', 'the coordinator learns sums only (the default)')
    .addOption(new Option('--plain', plain).conflicts('masked'));
}
