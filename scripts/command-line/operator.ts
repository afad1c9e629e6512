/** Commands of whoever runs the coordinator. */
import { type Command, Option } from 'commander';
import {
  aggregation,
  irreversible,
  json,
  logLevel,
  numberOption,
  run,
  stopWithParent,
} from '#scripts/command-line/declare.ts';
import { STOP_METRICS } from '#models/evaluation/stop-metrics.ts';
import { DEFAULT_ROUNDS, MODELS, PROPOSALS, describeRounds } from '#scripts/operator/models.ts';
import { DEFAULT_FOLDER } from '#scripts/operator/default-folder.ts';
import { LEAST_RETENTION_DAYS } from '#shared/ledger/record-rules.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

/** How an operator's or auditor's command finds its coordinator. */
export function remote(command: Command): Command {
  return command
    .option('--url <url>', 'coordinator (or TALLYSTICK_URL)')
    .option('--token <token>', 'access token, @FILE with it, or - for standard input (or TALLYSTICK_TOKEN)')
    .option(
      '--data <folder>',
      `data folder of a coordinator on this machine (default without --url and TALLYSTICK_URL: ${DEFAULT_FOLDER})`,
    )
    .addOption(json());
}

export function declareForOperators(program: Command): void {
  declareCoordinator(program.command('coordinator').description('run the coordinator of a consortium'));
  declareTokens(program.command('token').description('access tokens for operators and auditors'));
  declareBanks(program.command('bank').description('members of the consortium'));
  declareRuns(program.command('run').description('propose, watch and stop runs'));
  declareLedger(program.command('ledger').description('the history of the consortium'));
}

function declareCoordinator(coordinator: Command): void {
  coordinator
    .command('start')
    .description(
      'start it; PostgreSQL when DATABASE_URL is set, else an embedded database in the data folder',
    )
    .option('--data <folder>', 'keys, bodies, embedded database', DEFAULT_FOLDER)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      numberOption('--port <n>', 'port to listen on, 0 for any', { min: 0, max: 65_535, default: 7400 }),
    )
    .option('--consortium <name>', 'name in the charter, at the first start (else "consortium")')
    .addOption(
      numberOption(
        '--least-retention-days <n>',
        'days for which nobody may delete the bodies of a run, for the charter, at the first start',
        { min: 0, max: 36_500, default: LEAST_RETENTION_DAYS },
      ),
    )
    .option('--tls-cert <file>', 'PEM certificate chain')
    .option('--tls-key <file>', 'PEM private key')
    .addOption(
      numberOption('--trust-proxy <n>', 'proxies of your own in front that add to X-Forwarded-For', {
        min: 0,
        max: 10,
        default: 0,
      }),
    )
    .addOption(
      numberOption('--requests-per-minute <n>', 'most requests from one address, bodies of banks aside', {
        min: 1,
        max: 10_000_000,
        default: 6000,
      }),
    )
    .addOption(logLevel('what is logged').default('info'))
    .addOption(stopWithParent())
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/coordinator.ts')).startCoordinator));

  coordinator
    .command('token')
    .description('make a new operator token, for whoever has lost theirs; only while it is stopped')
    .option('--data <folder>', 'data folder', DEFAULT_FOLDER)
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/coordinator.ts')).recoverToken));

  coordinator
    .command('reindex')
    .description(
      'check every entry and make everything anew that follows from them; only while it is stopped',
    )
    .option('--data <folder>', 'data folder', DEFAULT_FOLDER)
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/coordinator.ts')).reindexCoordinator));
}

function declareTokens(token: Command): void {
  remote(
    token
      .command('add <name>')
      .description('make one, named after who it is for: the ledger says who did what'),
  )
    .addOption(
      new Option('--role <role>', 'what it may do').choices(['auditor', 'operator']).default('auditor'),
    )
    .addOption(numberOption('--days <n>', 'how long it is good', { min: 1, max: 3650, default: 90 }))
    .action(run(async () => (await import('#scripts/commands/token.ts')).addToken));
  remote(token.command('list').description('names, roles, when they end and when they were used')).action(
    run(async () => (await import('#scripts/commands/token.ts')).listTokens),
  );
  remote(token.command('remove <name>').description('make one worthless')).action(
    run(async () => (await import('#scripts/commands/token.ts')).removeToken),
  );
}

function declareBanks(bank: Command): void {
  remote(bank.command('invite <id>').description('make a one-time invitation'))
    .option('--public-url <url>', 'where the bank reaches the coordinator, if not at --url')
    .addOption(
      numberOption('--valid-hours <n>', 'how long it is good for', {
        min: 0.01,
        max: 24 * 30,
        fraction: true,
        default: 72,
      }),
    )
    .action(run(async () => (await import('#scripts/commands/bank.ts')).inviteBank));
  remote(bank.command('list').description('who has enrolled, with fingerprints')).action(
    run(async () => (await import('#scripts/commands/bank.ts')).listBanks),
  );
  remote(
    bank.command('admit <id> <fingerprint>').description('admit a bank after comparing its fingerprint'),
  ).action(run(async () => (await import('#scripts/commands/bank.ts')).admitBank));
  irreversible(remote(bank.command('revoke <id>').description('take nothing any more that a bank signs')))
    .requiredOption('--reason <text>', 'recorded in the ledger')
    .action(run(async () => (await import('#scripts/commands/bank.ts')).revokeBank));
}

/** What a plan is made of when it does not come as a file. */
function planned(command: Command, models: readonly string[]): Command {
  remote(command)
    .requiredOption('--contract <file>', 'data contract (JSON or YAML)')
    .option('--name <text>', 'name of the run', 'credit model')
    .addOption(new Option('--model <model>', 'which model').choices(models).default('mlp'))
    .addOption(
      numberOption(
        '--rounds <n>',
        `most rounds of training of a network, trees of a gbdt (${describeRounds(DEFAULT_ROUNDS)})`,
        { min: 1, max: LIMITS.roundsMax },
      ),
    )
    .option('--settings <json>', 'settings of the program')
    .option('--participants <ids>', 'banks to ask, with commas between (default: all admitted)')
    .addOption(
      numberOption('--minimum <n>', 'fewest updates in a round', { min: 1, max: LIMITS.participantsMax }),
    )
    .option('--seed <text>', 'public seed', '0')
    .addOption(
      numberOption('--patience <n>', 'stop after so many rounds without a better model (mlp, gbdt)', {
        min: 1,
        max: 1000,
      }),
    )
    .addOption(
      new Option(
        '--chosen-by <figure>',
        'what a better model is better in, on rows kept back (mlp, gbdt; default: logLoss)',
      ).choices(STOP_METRICS),
    )
    .addOption(
      numberOption('--target-auc <x>', 'stop when the hold-out AUC reaches this (mlp, gbdt)', {
        min: 0.5,
        max: 1,
        fraction: true,
      }),
    );
  return aggregation(command, 'the coordinator sees each update; every bank must allow it');
}

/** What a plan file says itself. */
const IN_PLAN_FILE = [
  ...['name', 'model', 'rounds', 'settings', 'participants', 'minimum'],
  ...['seed', 'patience', 'chosenBy', 'targetAuc', 'plain', 'masked'],
];

function declareRuns(runs: Command): void {
  planned(runs.command('propose'), PROPOSALS)
    .description('propose a run of a model or of the profile; the banks are asked for consent')
    .addOption(
      new Option('--plan <file>', 'whole plan (JSON or YAML) instead of the other options').conflicts(
        IN_PLAN_FILE,
      ),
    )
    .option('--watch', 'stay and watch')
    .action(run(async () => (await import('#scripts/commands/run.ts')).proposeRun));
  planned(runs.command('search'), MODELS)
    .description('try several settings, each in a run of its own')
    .requiredOption('--grid <json>', 'settings and the values to try')
    .addOption(
      numberOption('--max-trials <n>', 'refuse a grid of more combinations', {
        min: 1,
        max: 1000,
        default: 20,
      }),
    )
    .action(run(async () => (await import('#scripts/commands/search.ts')).searchRuns));
  remote(runs.command('list').description('all runs')).action(
    run(async () => (await import('#scripts/commands/run.ts')).listRuns),
  );
  remote(runs.command('show <run>').description('one run, round by round')).action(
    run(async () => (await import('#scripts/commands/run.ts')).showRun),
  );
  remote(runs.command('watch <run>').description('follow it live; Ctrl-C leaves it running')).action(
    run(async () => (await import('#scripts/commands/run.ts')).watch),
  );
  remote(runs.command('start <run>').description('start now with the banks that have consented')).action(
    run(async () => (await import('#scripts/commands/run.ts')).startRun),
  );
  irreversible(remote(runs.command('stop <run>').description('end it without a model')))
    .option('--reason <text>', 'recorded in the ledger', 'stopped by the operator')
    .action(run(async () => (await import('#scripts/commands/run.ts')).stopRun));
}

function declareLedger(ledger: Command): void {
  irreversible(
    remote(ledger.command('expire').description('delete the bodies of old runs; entries and models stay')),
  )
    .addOption(
      numberOption('--keep-days <n>', 'keep bodies of runs that ended less than this many days ago', {
        min: 0,
        max: 36_500,
        fraction: true,
      }).makeOptionMandatory(),
    )
    .action(run(async () => (await import('#scripts/commands/ledger.ts')).expireBodies));
  remote(
    ledger.command('incident <text>').description('record something that later readers should know'),
  ).action(run(async () => (await import('#scripts/commands/ledger.ts')).recordIncident));
  remote(ledger.command('rotate-key').description('sign heads of the ledger with a new key')).action(
    run(async () => (await import('#scripts/commands/ledger.ts')).rotateLogKey),
  );
  remote(
    ledger.command('rotate-identity').description("sign the coordinator's messages with a new key"),
  ).action(run(async () => (await import('#scripts/commands/ledger.ts')).rotateIdentity));
}
