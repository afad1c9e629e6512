/**
 * `npm run bench`: what a round costs when nobody trains, measured in one run on this machine. Real processes:
 * a coordinator on its embedded database, and agents that share one other process. `--json` for machines;
 * `--only NAME` for a part.
 */
import { cpus } from 'node:os';
import { print, printJson, say, table } from '#scripts/commands/output.ts';
import { benchRounds, type RoundCost } from '#scripts/bench/bench-rounds.ts';
import { benchSum } from '#scripts/bench/bench-sum.ts';

const json = process.argv.includes('--json');
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;

const CASES: readonly { readonly banks: number; readonly weights: number; readonly rounds: number }[] = [
  { banks: 8, weights: 100, rounds: 60 },
  { banks: 64, weights: 100, rounds: 40 },
  { banks: 8, weights: 1e4, rounds: 40 },
  { banks: 8, weights: 1e6, rounds: 20 },
  { banks: 8, weights: 1e7, rounds: 5 },
  { banks: 16, weights: 1e7, rounds: 4 },
  { banks: 100, weights: 1e3, rounds: 25 },
  { banks: 500, weights: 1e3, rounds: 12 },
];

const sum = only === undefined || only === 'sum' ? benchSum() : undefined;
if (sum !== undefined && !json) {
  print(
    `Streaming sum against a plain copy of the same bytes (${sum.megabytes} MB): ${sum.ratio.toFixed(2)}x the time`,
  );
}

const rounds: RoundCost[] = [];
for (const one of CASES) {
  const name = `${one.banks}x${one.weights}`;
  if (only !== undefined && only !== name) continue;
  say(`${one.banks} banks x ${one.weights} weights, ${one.rounds} rounds …`);
  rounds.push(await benchRounds(one));
}

if (json) {
  printJson({ node: process.version, cores: cpus().length, sum, rounds });
} else if (rounds.length > 0) {
  print(`\nOne round without training, ${cpus().length} cores, Node ${process.version}\n`);
  print(
    table(
      [
        'banks',
        'weights',
        'median s',
        'best s',
        'rounds/s',
        'CPU-s all',
        'coordinator',
        'one agent',
        'idle MB',
        'peak MB',
        'grown MB',
      ],
      rounds.map((r) => [
        String(r.banks),
        String(r.weights),
        r.medianSeconds.toFixed(3),
        r.bestSeconds.toFixed(3),
        (1 / r.medianSeconds).toFixed(1),
        r.cpuSeconds.toFixed(3),
        r.coordinatorCpuSeconds.toFixed(3),
        r.agentCpuSeconds.toFixed(4),
        (r.idleBytes / 1e6).toFixed(0),
        (r.peakBytes / 1e6).toFixed(0),
        ((r.peakBytes - r.idleBytes) / 1e6).toFixed(0),
      ]),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ),
  );
}
