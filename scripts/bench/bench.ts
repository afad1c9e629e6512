/**
 * `npm run bench`: what things cost on this machine. `--json` for machines, `--only PART` for one part:
 *
 *   BANKSxWEIGHTS[-masked]   whole rounds without training, of real processes: a coordinator on its embedded
 *                       database, and agents that share two other processes (Linux only: reads /proc)
 *   trees, skew         boosted trees against XGBoost, networks over unequal banks (data sets in TALLYSTICK_DATA)
 *   score               one applicant, and a file of 100,000, through each kind of model
 *   strangers           a run, and /healthz, under a thousand failing authentications a second (Linux only: 127.0.0.2)
 *   ledger              appending, folding, verifying (PostgreSQL too: TALLYSTICK_BENCH_DATABASE_URL, an empty database)
 */
import { cpus, platform } from 'node:os';
import { parseArgs } from 'node:util';
import { print, printJson, reportError, say, table } from '#scripts/commands/output.ts';
import { benchLedger } from '#scripts/bench/bench-ledger.ts';
import { benchRounds, type RoundCost } from '#scripts/bench/bench-rounds.ts';
import { benchScore } from '#scripts/bench/bench-score.ts';
import { benchSkew } from '#scripts/bench/bench-skew.ts';
import { benchStrangers } from '#scripts/bench/bench-strangers.ts';
import { benchTrees } from '#scripts/bench/bench-trees.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

interface Case {
  readonly banks: number;
  readonly weights: number;
  readonly rounds: number;
  readonly masked?: boolean;
}
/** The product's own sizes, and one beyond them. */
const CASES: readonly Case[] = [
  { banks: 8, weights: 1e4, rounds: 40 },
  { banks: 8, weights: 1e4, rounds: 40, masked: true },
  { banks: 8, weights: 1e5, rounds: 30, masked: true },
  { banks: 8, weights: 1e6, rounds: 12, masked: true },
  { banks: 100, weights: 1e3, rounds: 25 },
  { banks: 500, weights: 1e3, rounds: 12 },
];

const nameOf = ({ banks, weights, masked }: Case): string =>
  `${banks}x${weights}${masked === true ? '-masked' : ''}`;
const PARTS = [...CASES.map(nameOf), 'score', 'trees', 'ledger', 'strangers', 'skew'];

/** @throws FederationError USAGE naming the parts */
function readArguments(): { json: boolean; only: string | undefined } {
  const usage = `usage: npm run bench -- [--json] [--only PART], where PART is one of ${PARTS.join(', ')}`;
  try {
    const options = { json: { type: 'boolean' }, only: { type: 'string' } } as const;
    const { json = false, only } = parseArgs({ options }).values;
    if (only === undefined || PARTS.includes(only)) return { json, only };
  } catch (cause) {
    throw new FederationError('USAGE', `${describeError(cause)}; ${usage}`, { cause });
  }
  throw new FederationError('USAGE', usage);
}

try {
  await bench(readArguments());
} catch (error) {
  process.exitCode = reportError(error, process.argv.includes('--json'));
}

async function bench({ json, only }: { json: boolean; only: string | undefined }): Promise<void> {
  const rounds: RoundCost[] = [];
  const wantedCases = CASES.filter((one) => only === undefined || only === nameOf(one));
  const isLinux = platform() === 'linux';
  if (wantedCases.length > 0 && !isLinux)
    say('Rounds: not measured. CPU and memory of processes come from /proc, which only Linux has.');
  for (const one of isLinux ? wantedCases : []) {
    say(
      `${one.banks} banks x ${one.weights} weights, ${one.masked === true ? 'masked' : 'plain'}, ${one.rounds} rounds …`,
    );
    rounds.push(await benchRounds(one));
  }

  const scores = only === undefined || only === 'score' ? await benchScore() : [];
  if (!json && scores.length > 0) {
    print('\nScoring, one thread\n');
    print(
      table(
        ['model', 'us an applicant', 'us with reasons', 'rows of a file', 'seconds'],
        scores.map((s) => [
          s.model,
          s.scoreMicroseconds.toFixed(1),
          s.reasonsMicroseconds.toFixed(1),
          String(s.fileRows),
          s.fileSeconds.toFixed(2),
        ]),
        [1, 2, 3, 4],
      ),
    );
  }

  const trees = only === undefined || only === 'trees' ? await benchTrees() : [];
  if (!json && trees.length > 0) {
    print(`\nBoosted trees, one thread, against XGBoost ${trees[0]!.xgboost?.version ?? '(not here)'}\n`);
    print(
      table(
        [
          'data',
          'rows',
          'features',
          'AUC',
          'XGBoost',
          'gap',
          'seconds',
          'XGBoost',
          'ratio',
          'us a score',
          'us explained',
        ],
        trees.map(({ xgboost, ...ours }) => [
          ours.dataSet,
          String(ours.trainingRows),
          String(ours.features),
          ours.auc.toFixed(4),
          xgboost?.auc.toFixed(4) ?? '-',
          xgboost === undefined ? '-' : (ours.auc - xgboost.auc).toFixed(4),
          ours.seconds.toFixed(3),
          xgboost?.seconds.toFixed(3) ?? '-',
          xgboost === undefined ? '-' : (ours.seconds / xgboost.seconds).toFixed(2),
          ours.scoreMicroseconds.toFixed(1),
          ours.explainMicroseconds.toFixed(1),
        ]),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      ),
    );
  }

  const ledger = only === undefined || only === 'ledger' ? await benchLedger() : undefined;
  if (!json && ledger !== undefined) {
    const { appends, fold, verify } = ledger;
    for (const { database, entriesPerSecond } of appends)
      print(`\nAppending on ${database}: ${entriesPerSecond.toFixed(0)} entries/s`);
    print(`Folding ${fold.entries} entries at a start: ${fold.seconds.toFixed(1)} s`);
    print(
      `Verifying ${verify.rounds} rounds, ${verify.megabytes.toFixed(0)} MB: ${verify.seconds.toFixed(2)} s, ${(verify.seconds / verify.hashSeconds).toFixed(2)}x the time of hashing the bodies (${verify.hashSeconds.toFixed(2)} s); buffers up to ${verify.peakMegabytes.toFixed(0)} MB`,
    );
  }

  const strangers =
    isLinux && (only === undefined || only === 'strangers') ? await benchStrangers() : undefined;
  if (!json && strangers !== undefined) {
    const { calm, attacked, ratio, attemptsPerSecond } = strangers;
    print(
      `\nA run of three banks and /healthz, calm and under ${attemptsPerSecond.toFixed(0)} failing authentications a second and 500 silent sockets: ${ratio.toFixed(2)}x the time\n`,
    );
    print(
      table(
        ['', 'run s', 'p50 ms', 'p99 ms', 'worst ms'],
        calm.flatMap((turn, i) =>
          [['calm', turn] as const, ['attacked', attacked[i]!] as const].map(([what, t]) => [
            what,
            ...[t.runSeconds.toFixed(2), t.p50Ms.toFixed(1), t.p99Ms.toFixed(1), t.worstMs.toFixed(0)],
          ]),
        ),
        [1, 2, 3, 4],
      ),
    );
  }

  const skew = only === undefined || only === 'skew' ? await benchSkew() : [];
  if (!json && skew.length > 0) {
    print('\nNetworks over five banks of unequal bad rates (Dirichlet 0.5), against all rows in one place\n');
    print(
      table(
        ['partition', 'option', 'rounds', 'AUC', 'pooled', 'gap', 'log-loss', 'pooled', 'mean PD', 'seconds'],
        skew.map(({ federated, pooled, ...of }) => [
          of.seed,
          of.option,
          String(of.rounds),
          federated.auc.toFixed(4),
          pooled.auc.toFixed(4),
          (pooled.auc - federated.auc).toFixed(4),
          federated.logLoss.toFixed(4),
          pooled.logLoss.toFixed(4),
          federated.meanPd.toFixed(3),
          of.seconds.toFixed(1),
        ]),
        [0, 2, 3, 4, 5, 6, 7, 8, 9],
      ),
    );
  }

  if (json) {
    printJson({
      node: process.version,
      cores: cpus().length,
      rounds,
      scores,
      trees,
      skew,
      strangers,
      ledger,
    });
  } else if (rounds.length > 0) {
    print(`\nOne round without training, ${cpus().length} cores, Node ${process.version}\n`);
    print(
      table(
        [
          'banks',
          'weights',
          'sums',
          'median s',
          'best s',
          'rounds/s',
          'CPU-s all',
          'coordinator',
          'one agent',
          'idle MB',
          'peak MB',
          'grown MB',
          'kB up a bank',
          'loop ms',
        ],
        rounds.map((r) => [
          String(r.banks),
          String(r.weights),
          r.masked ? 'masked' : 'plain',
          r.medianSeconds.toFixed(3),
          r.bestSeconds.toFixed(3),
          (1 / r.medianSeconds).toFixed(1),
          r.cpuSeconds.toFixed(3),
          r.coordinatorCpuSeconds.toFixed(3),
          r.agentCpuSeconds.toFixed(4),
          (r.idleBytes / 1e6).toFixed(0),
          (r.peakBytes / 1e6).toFixed(0),
          ((r.peakBytes - r.idleBytes) / 1e6).toFixed(0),
          (r.sentBytes / 1000).toFixed(0),
          (r.worstLoopSeconds * 1000).toFixed(0),
        ]),
        [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
      ),
    );
  }
}
