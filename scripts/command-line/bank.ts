/** Commands of a bank: its agent, its data, the models that runs have made. */
import { type Command, Option } from 'commander';
import { json, logLevel, numberOption, run, several, stopWithParent } from '#scripts/command-line/declare.ts';

export function declareForBanks(program: Command): void {
  declareAgent(program.command('agent').description("a bank's participant agent"));
  declareData(program);
  declareModels(
    program.command('model').description('models a run has made: look at them, explain, export, score'),
  );
}

function declareAgent(agent: Command): void {
  const folder = (command: Command): Command =>
    command.option('--folder <folder>', "the agent's folder", 'tallystick-agent').addOption(json());
  folder(
    agent
      .command('enrol <code>')
      .description(
        'make the identity key and present the invitation: its code, @FILE with it, or - for standard input',
      ),
  )
    .option('--data <file>', "the bank's applicants: CSV (also .gz) or Parquet (default: applicants.csv)")
    .option('--ca-file <file>', "PEM file of an authority to trust besides the system's; kept in agent.yaml")
    .action(run(async () => (await import('#scripts/commands/agent.ts')).enrol));
  folder(agent.command('start').description('connect and take part in runs'))
    .addOption(logLevel('what is logged (default: as agent.yaml says)'))
    .addOption(stopWithParent())
    .action(run(async () => (await import('#scripts/commands/agent.ts')).startAgent));
  folder(agent.command('status').description('what the agent is doing')).action(
    run(async () => (await import('#scripts/commands/agent.ts')).agentStatus),
  );
  folder(
    agent
      .command('policy')
      .description('the rules above the operator')
      .command('check')
      .description('read policy.yaml and say what it allows: exit 2 when it makes no sense'),
  ).action(run(async () => (await import('#scripts/commands/policy.ts')).checkPolicy));
  folder(agent.command('rotate-key').description('change the keys; the old ones sign the new ones')).action(
    run(async () => (await import('#scripts/commands/agent.ts')).rotateKey),
  );
  folder(
    agent.command('consent <run> <decision>').description('grant or refuse a run that waits for a person'),
  )
    .option('--reason <text>', 'recorded in the ledger', 'decided by a person')
    .action(run(async () => (await import('#scripts/commands/agent.ts')).decideConsent));
  folder(agent.command('egress').description('everything that has left this bank'))
    .option('--run <run>', 'of one run only')
    .action(run(async () => (await import('#scripts/commands/agent.ts')).showEgress));
}

function declareData(program: Command): void {
  const contract = program.command('contract').description('data contracts');
  contract
    .command('infer <file>')
    .description('draft a data contract from a file')
    .requiredOption('--target <column>', 'the outcome')
    .requiredOption(
      '--positive <value>',
      'the value of the target that means bad; may be given several times',
      several,
    )
    .option(
      '--good <value>',
      'the value that means good, where there are more than two; may be given several times',
      several,
    )
    .option('--exclude <columns>', 'columns to leave out, with commas between')
    .option('--out <file>', 'write it here instead of to standard output')
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/data.ts')).inferContractFile));

  const data = program.command('data').description("a bank's rows");
  data
    .command('check <file>')
    .description('check a file against a contract: exit 0 fit to train on, 1 not')
    .requiredOption('--contract <file>', 'data contract')
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/data.ts')).checkData));
  data
    .command('profile <file>')
    .description("statistics of a bank's own file, or of the consortium's profile that a run has left")
    .option('--contract <file>', "data contract, of a bank's own file")
    .addOption(
      numberOption('--min-count <n>', 'cells with fewer rows are left out', {
        min: 5,
        max: 1_000_000,
        default: 20,
      }),
    )
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/profile.ts')).profileData));
}

function declareModels(model: Command): void {
  const language = (): Option =>
    new Option('--language <language>', 'of reasons, where the contract has it')
      .choices(['en', 'zh-CN'])
      .default('en');
  model
    .command('show <file>')
    .description('what a model is, how good it was on rows kept back, what its PDs mean')
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/model.ts')).showModel));
  model
    .command('report <file>')
    .description('the same as one page with charts, to print or to send')
    .requiredOption('--out <file>', 'new HTML file')
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/model.ts')).reportModel));
  model
    .command('explain <file>')
    .description('one applicant: PD, score, decision, points by feature, reasons')
    .option('--row <json>', 'the applicant: an object with a value for each feature, null where not known')
    .option('--data <file>', 'CSV (also .gz) or Parquet with the applicant')
    .addOption(
      numberOption('--line <n>', 'line of the CSV (the header is line 1), or row of the Parquet file', {
        min: 1,
        max: Number.MAX_SAFE_INTEGER,
      }),
    )
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
    .option('--against <file>', 'another model, such as the one in use: which ranks these applicants better')
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
    .option('--despite-check', 'score a file though it does not look like what the model was made for')
    .addOption(language())
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/score-file.ts')).scoreFile));
}
