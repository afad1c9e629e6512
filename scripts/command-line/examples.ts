/** An example of each command, under its --help. */
import type { Command } from 'commander';

const EXAMPLES: Readonly<Record<string, string>> = {
  demo: 'tallystick demo --model scorecard',
  simulate:
    'tallystick simulate --data loans.csv --target defaulted --positive 1 --partition-by lender --banks 5',
  completion: 'source <(tallystick completion bash)',
  'coordinator start': 'tallystick coordinator start --data /srv/tallystick --consortium "Northern banks"',
  'coordinator reindex': 'tallystick coordinator reindex --data /srv/tallystick',
  'token add': 'tallystick token add anna --role auditor',
  'token list': 'tallystick token list',
  'token remove': 'tallystick token remove anna',
  'bank invite': 'tallystick bank invite harbour --public-url https://coordinator.example',
  'bank list': 'tallystick bank list',
  'bank admit': 'tallystick bank admit harbour 1a2b-3c4d-5e6f-7a8b-9c0d',
  'bank revoke': 'tallystick bank revoke harbour --reason "its key was stolen" --dry-run',
  'run propose': 'tallystick run propose --contract contract.json --model scorecard --name "spring" --watch',
  'run search': 'tallystick run search --contract contract.json --model gbdt --grid \'{"depth":[3,4]}\'',
  'run list': 'tallystick run list',
  'run show': 'tallystick run show 9a7e3c',
  'run watch': 'tallystick run watch 9a7e3c',
  'run start': 'tallystick run start 9a7e3c',
  'run stop': 'tallystick run stop 9a7e3c --reason "wrong contract"',
  'ledger expire': 'tallystick ledger expire --keep-days 365 --dry-run',
  'ledger incident': 'tallystick ledger incident "the clock was wrong on 3 May"',
  'ledger rotate-key': 'tallystick ledger rotate-key',
  'ledger rotate-identity': 'tallystick ledger rotate-identity',
  'coordinator token': 'tallystick coordinator token --data /srv/tallystick',
  'audit export': 'tallystick audit export --out spring.bundle --url https://coordinator.example --token …',
  'audit verify': 'tallystick audit verify spring.bundle --charter HASH --against harbour.note',
  'audit show': 'tallystick audit show spring.bundle --charter HASH --run 9a7e3c',
  'audit model': 'tallystick audit model model.json --bundle spring.bundle --charter HASH',
  'audit receipt': 'tallystick audit receipt spring.bundle --bank harbour',
  'audit gossip': 'tallystick audit gossip mine.note theirs.note --bundle spring.bundle',
  'audit fork': 'tallystick audit fork fork.json --bundle spring.bundle',
  'agent enrol': 'tallystick agent enrol tally1.… --data applicants.csv',
  'agent start': 'tallystick agent start',
  'agent status': 'tallystick agent status',
  'agent policy check': 'tallystick agent policy check',
  'agent rotate-key': 'tallystick agent rotate-key',
  'agent consent': 'tallystick agent consent 9a7e3c grant --reason "as agreed in March"',
  'agent egress': 'tallystick agent egress --run 9a7e3c',
  'contract infer':
    'tallystick contract infer applicants.csv --target defaulted --positive 1 --out contract.json',
  'data check': 'tallystick data check applicants.csv --contract contract.json',
  'data profile': 'tallystick data profile applicants.csv --contract contract.json',
  'model show': 'tallystick model show tallystick-agent/models/….json',
  'model report': 'tallystick model report tallystick-agent/models/….json --out spring.html',
  'model explain': 'tallystick model explain model.json --data applicants.csv --line 17',
  'model export': 'tallystick model export model.json --to onnx --out model.onnx',
  'model validate': 'tallystick model validate model.json --data outcomes.csv --against champion.json',
  'model score': 'tallystick model score model.json --data new.csv --out scores.csv --id application',
};

/** Adds them to all commands that do something. @returns the paths of commands without one */
export function addExamples(program: Command): string[] {
  const without: string[] = [];
  const visit = (command: Command, path: string): void => {
    for (const sub of command.commands) visit(sub, `${path} ${sub.name()}`.trim());
    if (command.commands.length > 0 || path === '') return;
    const example = EXAMPLES[path];
    if (example === undefined) without.push(path);
    else command.addHelpText('after', `\nExample: ${example}`);
  };
  visit(program, '');
  return without;
}
