/** The command line: every command in one list; its work is in `commands/<noun>.ts`, loaded when needed. */
import { Command, Option } from 'commander';
import { MODELS, PROPOSALS } from '#scripts/operator/models.ts';
import { EXIT, reportError } from '#scripts/commands/output.ts';
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
Try it: tallystick demo
On your own file: tallystick simulate --data FILE --target COLUMN --positive VALUE --banks 3
Exit codes: 0 done · 1 done, and the answer is no · 2 not done or not completely · 130 interrupted`,
  );

type Action = (...args: never[]) => Promise<number>;

/** Runs a command and turns whatever happens into an exit code. */
function run(load: () => Promise<Action>): (...args: unknown[]) => Promise<void> {
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

const json = (): Option => new Option('--json', 'one JSON object on standard output');

function group(name: string, description: string): Command {
  return program.command(name).description(description);
}

/** How an operator's command finds its coordinator. */
function operator(command: Command): Command {
  return command
    .option('--url <url>', 'coordinator (or TALLYSTICK_URL)')
    .option('--token <token>', 'access token (or TALLYSTICK_TOKEN)')
    .option('--data <folder>', 'data folder of a coordinator on this machine', 'tallystick-coordinator')
    .addOption(json());
}

program
  .command('demo')
  .description('five banks and a coordinator on this machine train, compare and verify')
  .addOption(new Option('--model <model>', 'which model').choices(MODELS).default('mlp'))
  .option('--rounds <n>', 'rounds of training, or trees')
  .option('--seed <text>', 'seed of data and plan', '2026')
  .option('--keep <folder>', 'keep everything in this folder')
  .option('--chaos', 'kill and restart processes while they train')
  .addOption(json())
  .action(run(async () => (await import('#scripts/demo/demo.ts')).demo));

program
  .command('simulate')
  .description('split one file into banks and see what a federation would bring')
  .requiredOption('--data <file>', 'CSV (also .gz) or Parquet')
  .requiredOption('--target <column>', 'the outcome')
  .requiredOption('--positive <value>', 'the value of the target that means bad')
  .option('--exclude <columns>', 'columns to leave out, with commas between')
  .option('--partition-by <column>', 'its N largest groups become banks, the rest joins the last')
  .option('--banks <n>', 'number of banks', '3')
  .option('--skew <how>', 'iid or dirichlet:ALPHA (without --partition-by)')
  .addOption(new Option('--model <model>', 'which model').choices(MODELS).default('mlp'))
  .option('--rounds <n>', 'rounds of training of a network, trees of a gbdt')
  .option('--settings <json>', 'settings of the program')
  .option('--test-fraction <f>', 'share of rows kept to judge with', '0.3')
  .option('--seed <text>', 'seed of every split and of training', '0')
  .option('--contract <file>', 'data contract; without it one is inferred')
  .option('--masked', 'the coordinator learns sums only (the default)')
  .addOption(new Option('--plain', 'the coordinator sees each update').conflicts('masked'))
  .addOption(json())
  .action(run(async () => (await import('#scripts/simulate/simulate.ts')).simulate));

const coordinator = group('coordinator', 'run the coordinator of a consortium');
coordinator
  .command('start')
  .description('start it; PostgreSQL when DATABASE_URL is set, else an embedded database in the data folder')
  .option('--data <folder>', 'keys, bodies, embedded database', 'tallystick-coordinator')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <n>', 'port to listen on, 0 for any', '7400')
  .option('--consortium <name>', 'name in the charter, at the first start', 'consortium')
  .option('--tls-cert <file>', 'PEM certificate chain')
  .option('--tls-key <file>', 'PEM private key')
  .option('--log-level <level>', 'debug, info, warn or error', 'info')
  .addOption(new Option('--stop-with-parent').hideHelp())
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/coordinator.ts')).startCoordinator));

coordinator
  .command('reindex')
  .description('check every entry and make everything anew that follows from them; only while it is stopped')
  .option('--data <folder>', 'data folder', 'tallystick-coordinator')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/coordinator.ts')).reindexCoordinator));

const token = group('token', 'access tokens for operators and auditors');
operator(token.command('add <name>').description('make one'))
  .addOption(
    new Option('--role <role>', 'what it may do').choices(['auditor', 'operator']).default('auditor'),
  )
  .action(run(async () => (await import('#scripts/commands/bank.ts')).addToken));
operator(token.command('list').description('names and roles')).action(
  run(async () => (await import('#scripts/commands/bank.ts')).listTokens),
);
operator(token.command('remove <name>').description('make one worthless')).action(
  run(async () => (await import('#scripts/commands/bank.ts')).removeToken),
);

const bank = group('bank', 'members of the consortium');
operator(bank.command('invite <id>').description('make a one-time invitation'))
  .option('--public-url <url>', 'where the bank reaches the coordinator, if not at --url')
  .option('--valid-hours <n>', 'how long it is good for', '72')
  .action(run(async () => (await import('#scripts/commands/bank.ts')).inviteBank));
operator(bank.command('list').description('who has enrolled, with fingerprints')).action(
  run(async () => (await import('#scripts/commands/bank.ts')).listBanks),
);
operator(
  bank.command('admit <id> <fingerprint>').description('admit a bank after comparing its fingerprint'),
).action(run(async () => (await import('#scripts/commands/bank.ts')).admitBank));

operator(bank.command('revoke <id>').description('take nothing any more that a bank signs'))
  .requiredOption('--reason <text>', 'recorded in the ledger')
  .action(run(async () => (await import('#scripts/commands/bank.ts')).revokeBank));

/** What a plan is made of when it does not come as a file. */
const planned = (command: Command): Command =>
  operator(command)
    .requiredOption('--contract <file>', 'data contract (JSON or YAML)')
    .option('--name <text>', 'name of the run', 'credit model')
    .addOption(new Option('--model <model>', 'which model, or profile').choices(PROPOSALS).default('mlp'))
    .option('--rounds <n>', 'most rounds of training of a network, trees of a gbdt')
    .option('--settings <json>', 'settings of the program')
    .option('--participants <ids>', 'banks to ask, with commas between (default: all admitted)')
    .option('--minimum <n>', 'fewest updates in a round')
    .option('--seed <text>', 'public seed', '0')
    .option('--patience <n>', 'stop after so many rounds without a better log-loss')
    .option('--target-auc <x>', 'stop when the hold-out AUC reaches this')
    .option('--plain', 'the coordinator sees each update; every bank must allow it');
const runs = group('run', 'propose, watch and stop runs');
planned(runs.command('propose').description('propose a run; the banks are asked for consent'))
  .option('--plan <file>', 'whole plan (JSON or YAML) instead of the other options')
  .option('--watch', 'stay and watch')
  .action(run(async () => (await import('#scripts/commands/run.ts')).proposeRun));
planned(runs.command('search').description('try several settings, each in a run of its own'))
  .requiredOption('--grid <json>', 'settings and the values to try')
  .option('--max-trials <n>', 'refuse a grid of more combinations', '20')
  .action(run(async () => (await import('#scripts/commands/search.ts')).searchRuns));
operator(runs.command('list').description('all runs')).action(
  run(async () => (await import('#scripts/commands/run.ts')).listRuns),
);
operator(runs.command('show <run>').description('one run, round by round')).action(
  run(async () => (await import('#scripts/commands/run.ts')).showRun),
);
operator(runs.command('watch <run>').description('follow it live; Ctrl-C leaves it running')).action(
  run(async () => (await import('#scripts/commands/run.ts')).watch),
);
operator(runs.command('start <run>').description('start now with the banks that have consented')).action(
  run(async () => (await import('#scripts/commands/run.ts')).startRun),
);
operator(runs.command('stop <run>').description('end it without a model'))
  .option('--reason <text>', 'recorded in the ledger', 'stopped by the operator')
  .action(run(async () => (await import('#scripts/commands/run.ts')).stopRun));

const ledger = group('ledger', 'the history of the consortium');

operator(ledger.command('expire').description('delete the bodies of old runs; entries and models stay'))
  .requiredOption('--keep-days <n>', 'keep bodies of runs that ended less than this many days ago')
  .action(run(async () => (await import('#scripts/commands/ledger.ts')).expireBodies));
operator(
  ledger.command('incident <text>').description('record something that later readers should know'),
).action(run(async () => (await import('#scripts/commands/ledger.ts')).recordIncident));
operator(ledger.command('rotate-key').description('sign heads of the ledger with a new key')).action(
  run(async () => (await import('#scripts/commands/ledger.ts')).rotateLogKey),
);

const audit = group('audit', 'check a history without trusting anybody');
operator(audit.command('export').description('take the ledger home, as one file with all bodies'))
  .requiredOption('--out <file>', 'where to')
  .option('--run <run>', 'only what concerns one run; of the others the hashes')
  .option('--no-bodies', 'entries and head only')
  .action(run(async () => (await import('#scripts/commands/audit.ts')).exportLedger));
audit
  .command('verify <bundle>')
  .description('check a bundle offline: exit 0 verified, 1 failed, 2 incomplete')
  .requiredOption('--charter <hash>', 'the charter you trust, from your invitation or agreement')
  .option('--against <notes...>', 'heads you hold from elsewhere: it must extend them')
  .option('--sample <k>', 'recompute the sums of k rounds only, drawn at random')
  .option('--no-bodies', 'entries, signatures and heads only')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/audit.ts')).verifyBundle));

const bundled = (command: Command): Command =>
  command.option('--charter <hash>', 'the charter you trust').addOption(json());
bundled(
  audit.command('show <bundle>').description('runs, rounds, consents and models, as the ledger tells them'),
)
  .option('--run <run>', 'one run only')
  .option('--round <n>', 'the evidence of one round, with inclusion proofs')
  .action(run(async () => (await import('#scripts/commands/history.ts')).showHistory));
bundled(
  audit
    .command('receipt <bundle>')
    .description('what one bank signed, and what it was used for, with proofs'),
)
  .requiredOption('--bank <id>', 'the bank')
  .option('--run <run>', 'in one run only')
  .action(run(async () => (await import('#scripts/commands/history.ts')).showReceipt));
bundled(
  audit
    .command('gossip <a> <b>')
    .description('hold two heads against each other: exit 0 agree, 1 fork, 2 unknown'),
)
  .requiredOption('--bundle <file>', 'a bundle of one of the two histories')
  .option('--out <file>', 'where to keep the proof of a fork')
  .action(run(async () => (await import('#scripts/commands/history.ts')).gossip));
bundled(audit.command('fork <proof>').description('check a proof that a ledger was rewritten: exit 0 it was'))
  .requiredOption('--bundle <file>', 'a bundle with the charter and its keys')
  .action(run(async () => (await import('#scripts/commands/history.ts')).checkForkProof));

const agent = group('agent', "a bank's participant agent");
const folder = (command: Command): Command =>
  command.option('--folder <folder>', "the agent's folder", 'tallystick-agent').addOption(json());
folder(agent.command('enrol <code>').description('make the identity key and present the invitation'))
  .option('--data <file>', "the bank's applicants: CSV or Parquet", 'applicants.csv')
  .action(run(async () => (await import('#scripts/commands/agent.ts')).enrol));
folder(agent.command('start').description('connect and take part in runs'))
  .option('--log-level <level>', 'debug, info, warn or error', 'info')
  .addOption(new Option('--stop-with-parent').hideHelp())
  .action(run(async () => (await import('#scripts/commands/agent.ts')).startAgent));
folder(agent.command('status').description('what the agent is doing')).action(
  run(async () => (await import('#scripts/commands/agent.ts')).agentStatus),
);
folder(agent.command('rotate-key').description('change the keys; the old ones sign the new ones')).action(
  run(async () => (await import('#scripts/commands/agent.ts')).rotateKey),
);
folder(agent.command('consent <run> <decision>').description('grant or refuse a run that waits for a person'))
  .option('--reason <text>', 'recorded in the ledger', 'decided by a person')
  .action(run(async () => (await import('#scripts/commands/agent.ts')).decideConsent));
folder(agent.command('egress').description('everything that has left this bank'))
  .option('--run <run>', 'of one run only')
  .action(run(async () => (await import('#scripts/commands/agent.ts')).showEgress));

const contract = group('contract', 'data contracts');
contract
  .command('infer <file>')
  .description('draft a data contract from a file')
  .requiredOption('--target <column>', 'the outcome')
  .requiredOption('--positive <value>', 'the value of the target that means bad')
  .option('--exclude <columns>', 'columns to leave out, with commas between')
  .option('--out <file>', 'write it here instead of to standard output')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/data.ts')).inferContractFile));

const data = group('data', "a bank's rows");
data
  .command('check <file>')
  .description('check a file against a contract: exit 0 fit to train on, 1 not')
  .requiredOption('--contract <file>', 'data contract')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/data.ts')).checkData));

const language = (): Option =>
  new Option('--language <language>', 'of reasons, where the contract has it')
    .choices(['en', 'zh-CN'])
    .default('en');
const model = group('model', 'models a run has made: look at them, explain, export, score');
model
  .command('show <file>')
  .description('what a model is, how good it was on rows kept back, what its PDs mean')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/model.ts')).showModel));
model
  .command('explain <file>')
  .description('one applicant: PD, score, decision, points by feature, reasons')
  .option('--row <json>', 'the applicant: an object with a value for each feature, null where not known')
  .option('--data <file>', 'CSV (also .gz) or Parquet with the applicant')
  .option('--line <n>', 'line of the CSV (the header is line 1), or row of the Parquet file')
  .addOption(
    new Option(
      '--against <what>',
      'points count from the baseline applicant, or (trees) the mean of training rows',
    )
      .choices(['baseline', 'training'])
      .default('baseline'),
  )
  .addOption(language())
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/model.ts')).explainRow));
model
  .command('export <file>')
  .description('for other engines')
  .addOption(new Option('--to <format>', 'which').choices(['onnx', 'pmml', 'tfjs']).makeOptionMandatory())
  .requiredOption('--out <path>', 'new file; for tfjs a folder')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/model.ts')).exportModel));
model
  .command('validate <file>')
  .description(
    'against outcomes that have come in: ranking, calibration, lift; exit 1 when the data do not pass',
  )
  .requiredOption('--data <file>', 'CSV (also .gz) or Parquet, with the outcome')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/validate-model.ts')).validateModel));
model
  .command('score <file>')
  .description(
    'a file of applicants to a file of PDs, scores, decisions and reasons: exit 1 when some were kept out',
  )
  .requiredOption('--data <file>', 'CSV (also .gz) or Parquet')
  .requiredOption('--out <file>', 'new CSV file')
  .option('--id <column>', 'a column to carry over, such as an application number')
  .addOption(language())
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/score-file.ts')).scoreFile));

data
  .command('profile <file>')
  .description("statistics of a bank's own file, or of the consortium's profile that a run has left")
  .option('--contract <file>', 'data contract')
  .option('--min-count <n>', 'cells with fewer rows are left out', '20')
  .addOption(json())
  .action(run(async () => (await import('#scripts/commands/data.ts')).profileData));

try {
  await program.parseAsync();
} catch (error) {
  const exitCode = (error as { exitCode?: number }).exitCode ?? EXIT.incomplete;
  process.exitCode = exitCode === 0 ? EXIT.ok : EXIT.incomplete;
}
