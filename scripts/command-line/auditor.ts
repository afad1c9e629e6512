/** Commands of an auditor: one takes the history home, the others need nothing but the bundle. */
import type { Command } from 'commander';
import { json, numberOption, run } from '#scripts/command-line/declare.ts';
import { remote } from '#scripts/command-line/operator.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export function declareForAuditors(program: Command): void {
  const audit = program.command('audit').description('check a history without trusting anybody');
  remote(audit.command('export').description('take the ledger home, as one file with all bodies'))
    .requiredOption('--out <file>', 'where to')
    .option('--run <run>', 'only what concerns one run; of the others the hashes')
    .option('--no-bodies', 'entries and head only')
    .action(run(async () => (await import('#scripts/commands/audit.ts')).exportLedger));
  audit
    .command('verify <bundle>')
    .description('check a bundle offline: exit 0 verified, 1 failed, 2 incomplete')
    .requiredOption('--charter <hash>', 'the charter you trust, from your invitation or agreement')
    .option('--against <notes...>', 'heads you hold from elsewhere: it must extend them')
    .option('--bank <id=fingerprint...>', 'keys you have from the banks themselves: theirs must be these')
    .addOption(
      numberOption('--sample <k>', 'recompute the sums of k rounds only, drawn at random', {
        min: 1,
        max: LIMITS.roundsMax,
      }),
    )
    .option('--no-bodies', 'entries, signatures and heads only')
    .addOption(json())
    .action(run(async () => (await import('#scripts/commands/audit.ts')).verifyBundle));

  const bundled = (command: Command): Command =>
    command.option('--charter <hash>', 'the charter you trust').addOption(json());
  bundled(
    audit.command('show <bundle>').description('runs, rounds, consents and models, as the ledger tells them'),
  )
    .option('--run <run>', 'one run only')
    .addOption(
      numberOption('--round <n>', 'the evidence of one round, with inclusion proofs', {
        min: 0,
        max: LIMITS.roundsMax,
      }),
    )
    .action(run(async () => (await import('#scripts/commands/history.ts')).showHistory));
  bundled(
    audit.command('model <file>').description('is this file the model of a run: exit 0 it is, 1 it is not'),
  )
    .requiredOption('--bundle <file>', 'the bundle')
    .action(run(async () => (await import('#scripts/commands/audit.ts')).auditModel));
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
    .action(run(async () => (await import('#scripts/commands/gossip.ts')).gossip));
  bundled(
    audit.command('fork <proof>').description('check a proof that a ledger was rewritten: exit 0 it was'),
  )
    .requiredOption('--bundle <file>', 'a bundle with the charter and its keys')
    .action(run(async () => (await import('#scripts/commands/gossip.ts')).checkForkProof));
}
