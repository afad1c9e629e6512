/** `docs/results.md` from the figures, so that it never says something they do not. */
import { aucHalfWidth } from '#models/metrics/auc-interval.ts';
import { bytes } from '#scripts/commands/output.ts';
import { isExact, MODELS, type ModelName } from '#scripts/operator/models.ts';
import { DATA_SETS, type DataSet } from '#scripts/results/data-sets.ts';
import type { Measured } from '#scripts/results/results-file.ts';

type Outcome = NonNullable<Measured['outcome']>;
interface Succeeded extends Measured {
  readonly outcome: Outcome;
}

const NAMES: Readonly<Record<ModelName, string>> = {
  mlp: 'network',
  logistic: 'logistic regression',
  scorecard: 'scorecard',
  gbdt: 'boosted trees',
};

export function reportOf(results: readonly Measured[]): string {
  const sections = DATA_SETS.map((set) =>
    sectionOf(
      set,
      results.filter(({ dataSet }) => dataSet === set.name),
    ),
  );
  return `${[HEAD, summaryOf(results), PROTOCOL, ...sections, ...timeOf(results), SOURCES].join('\n\n')}\n`;
}

const HEAD = `# Results on public data

What banks reach together, against all rows in one place and against each bank alone. Written by
[scripts/results](../scripts/results/results.ts) from [results.json](results.json). No setting was chosen by these
figures, and every model that was tried is in the tables.`;

const PROTOCOL = `## Protocol

- 30 % of the rows, drawn by seed with the bad rate kept, are set aside. No model sees them; all are judged on them, on
  the model's own PDs before calibration.
- The other rows are dealt to the banks. Where the data know their lenders, those are the banks. Elsewhere the rows of
  each class are cut by proportions drawn from a Dirichlet distribution (alpha 0.5): bad rates and sizes then differ
  strongly from bank to bank. One draw, one seed ("0").
- *Federated*: a coordinator with its database and an agent for each bank, every one a process of its own, over sockets
  on one machine; sums masked, all banks in every round, the exported ledger verified offline.
- *Pooled*: the same program with the same settings over all training rows in one place. Not the best model that could
  be made of them.
- *Alone*: the same again over one bank's rows; mean and worst of the banks. A bank with too few bads or goods for a
  model, or without a feature that tells them apart, guesses: AUC 0.5, KS 0. A bank by itself might choose other
  settings; here it does not.
- Settings are those of \`tallystick simulate\`: a network of 64, 32 and 16 units in 60 rounds of one epoch, 100 trees of
  depth 4, a scorecard and a regression that stop by themselves. The network's
  step and momentum were chosen earlier, on made-up banks and on data of real lenders. What a data set needs instead is
  said below its table; it follows from the number of rows and was set before the first run.
- Contracts are inferred from the whole file. Ranges and category lists therefore know the test rows; nothing else does.
- Every program keeps back 20 % of a bank's training rows to judge and calibrate: for pooled and alone as for federated.

## Reading the figures

- **±** is half the 95 % interval of the federated AUC (Hanley and McNeil 1982), from the number of bads and goods in the
  test rows. It is the noise of the test rows only: another split, another draw of the banks or another seed of a network
  moves figures as well. With a handful of bads the approximation is rough, and only says that little is known. On a
  thousand rows nobody should read anything into 0.02.
- **Pooled model** says whether the federated model is the pooled one, byte for byte. It must be for regression,
  scorecard and trees, whose programs compute exactly; there, equal figures are no coincidence and no achievement of the
  test. Federated averaging of a network is another algorithm than pooled training, and may be better or worse.
- **Sent** is everything one bank uploaded, keys and signatures included, mean over banks. **Training** is wall time from
  proposal to model, all processes sharing one machine. *Load* is how many processes waited for its cores (Linux's
  average of a minute, before and after): well above the number of cores the seconds say little, and a quiet machine
  takes a fraction of them.

Run it: the data sets are listed at the end; name their folder.

\`\`\`sh
TALLYSTICK_DATA=… npm run results                                   # all, an hour or less
TALLYSTICK_DATA=… npm run results -- --only german_credit/gbdt     # one; the others stay as they are
\`\`\`

All figures but times and bytes come out the same again; those of the network to within the rounding of its engine.`;

/** Federated AUC of everything, and what speaks for and against it in one line each. */
function summaryOf(results: readonly Measured[]): string {
  const done = results.filter(succeeded);
  const cell = (set: DataSet, model: ModelName): string => {
    const one = done.find((result) => result.dataSet === set.name && result.model === model);
    if (one === undefined) return '–';
    const { federated, pooled, local } = one.outcome;
    return `**${federated.auc.toFixed(3)}** · ${pooled.auc.toFixed(3)} · ${local.aucMean.toFixed(3)}`;
  };
  const lines = [
    ['', ...MODELS.map((model) => NAMES[model])],
    ['---', ...MODELS.map(() => '---')],
    ...DATA_SETS.map((set) => [
      set.inProcess === undefined ? set.name : `${set.name} (no consortium)`,
      ...MODELS.map((model) => cell(set, model)),
    ]),
  ];
  const overSockets = done.filter(({ outcome }) => outcome.consortium !== undefined);
  const exact = overSockets.filter(({ model }) => isExact(model));
  const same = exact.filter(({ outcome }) => outcome.sameModel);
  const networks = overSockets.filter(({ model }) => !isExact(model));
  const gaps = networks.map(({ outcome }) => outcome.federated.auc - outcome.pooled.auc);
  const beaten = overSockets.filter(({ outcome }) => outcome.local.aucMax > outcome.federated.auc);
  const verified = overSockets.filter(({ outcome }) => outcome.consortium!.ledgerVerified);
  const list = beaten.map(({ dataSet, model }) => `${dataSet} (${NAMES[model]})`).join(', ');
  const facts = [
    `${same.length} of ${exact.length} federated regressions, scorecards and ensembles of trees are the pooled model, byte for byte.`,
    `${gaps.filter((gap) => gap < 0).length} of ${networks.length} federated networks are worse than pooled training, the worst by ${Math.max(0, ...gaps.map((gap) => -gap)).toFixed(3)}.`,
    `${beaten.length} of ${overSockets.length} federated models are worse than the best bank alone${beaten.length === 0 ? '' : `: ${list}`}.`,
    `${verified.length} of ${overSockets.length} ledgers verified offline.`,
  ];
  return (
    `## In short\n\nAUC on rows nobody trained on: **federated** · pooled · a bank alone (mean). A dash: not measured, or no model.\n\n` +
    `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}`
  );
}

function succeeded(one: Measured): one is Succeeded {
  return one.outcome !== undefined;
}

function halfWidth(auc: number, { bads, rows }: Measured['test']): number {
  return aucHalfWidth(auc, bads, rows - bads);
}

function sectionOf(set: DataSet, results: readonly Measured[]): string {
  const parts = [`## ${set.name}`, aboutOf(set, results[0])];
  const done = results.filter(succeeded);
  if (done.length > 0) parts.push(tableOf(done));
  const remarks = MODELS.flatMap((model) => remarksOn(set, model, results));
  if (remarks.length > 0) parts.push(remarks.map((remark) => `- ${remark}`).join('\n'));
  return parts.join('\n\n');
}

function aboutOf(set: DataSet, one: Measured | undefined): string {
  if (one === undefined) return set.about;
  const banks = Object.values(one.banks).map(({ rows, bads }) => `${rows} (${percent(bads / rows)})`);
  const how =
    set.partitionBy === undefined
      ? set.skew === 'iid'
        ? 'dealt evenly'
        : 'by Dirichlet 0.5'
      : `by ${set.partitionBy}`;
  const caveat = set.inProcess === undefined ? '' : `\n\n**Not a federated run**: ${set.inProcess}.`;
  return (
    `${set.about}\n\n${one.features} features. ${one.test.rows} test rows, ${one.test.bads} of them bad. ` +
    `${banks.length} banks, ${how}; training rows (bad): ${banks.join(', ')}.${caveat}`
  );
}

function tableOf(done: readonly Succeeded[]): string {
  const head = ['model', 'AUC federated', '±', 'pooled', 'alone: mean', 'worst'];
  head.push('KS federated', 'pooled', 'alone: mean', 'worst');
  head.push('rounds', 'sent', 'training', 'load', 'pooled model');
  const rows = done.map(({ model, outcome: { federated, pooled, local, consortium, sameModel }, test }) => [
    NAMES[model],
    `**${federated.auc.toFixed(3)}**`,
    halfWidth(federated.auc, test).toFixed(3),
    ...[pooled.auc, local.aucMean, local.aucMin].map((x) => x.toFixed(3)),
    `**${federated.ks.toFixed(3)}**`,
    ...[pooled.ks, local.ksMean, local.ksMin].map((x) => x.toFixed(3)),
    ...(consortium === undefined
      ? ['–', '–', '–', '–']
      : [
          String(consortium.rounds),
          bytes(consortium.bytesPerBank),
          `${consortium.trainingSeconds.toFixed(0)} s`,
          `${consortium.load.before.toFixed(0)}–${consortium.load.after.toFixed(0)} on ${consortium.cores}`,
        ]),
    sameModel ? 'yes' : isExact(model) ? '**no**' : 'no',
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, j) => (j === 0 || j === head.length - 1 ? '---' : '--:'));
  return [head, rule, ...rows].map(line).join('\n');
}

/** What the table does not say, and what speaks against the federated model. */
function remarksOn(set: DataSet, model: ModelName, results: readonly Measured[]): string[] {
  const one = results.find((result) => result.model === model);
  const name = NAMES[model];
  if (one === undefined) return [`${name}: not measured.`];
  const remarks: string[] = [];
  if (one.settings !== '{}') remarks.push(`${name}: settings \`${one.settings}\`.`);
  const { outcome, test } = one;
  if (outcome === undefined) {
    return [...remarks, `${name}: no model. ${one.failure ?? ''}`];
  }
  const { federated, pooled, local, sameModel, consortium } = outcome;
  const gap = federated.auc - pooled.auc;
  if (isExact(model) && !sameModel) remarks.push(`${name}: **not the pooled model**, which it should be.`);
  if (Math.abs(gap) >= 0.0005) {
    const half = Math.max(...[federated, pooled].map(({ auc }) => halfWidth(auc, test)));
    remarks.push(
      `${name}: ${Math.abs(gap).toFixed(3)} ${gap < 0 ? 'worse' : 'better'} than pooled, where each figure is known to ± ${half.toFixed(3)}.`,
    );
  }
  const finding = set.findings?.[model];
  if (finding !== undefined) remarks.push(`${name}: ${finding}.`);
  if (local.aucMax > federated.auc) {
    remarks.push(
      `${name}: the best bank alone reaches ${local.aucMax.toFixed(3)}, ${(local.aucMax - federated.auc).toFixed(3)} more than all together.`,
    );
  }
  if (local.guessing > 0) {
    remarks.push(
      `${name}: ${local.guessing} of ${Object.keys(one.banks).length} banks alone ${local.guessing === 1 ? 'makes' : 'make'} no model and ${local.guessing === 1 ? 'counts' : 'count'} as guessing.`,
    );
  }
  if (consortium !== undefined && !consortium.ledgerVerified)
    remarks.push(`${name}: **the ledger did not verify**.`);
  return remarks;
}

/** The largest federation of trees, against what it is meant to take. */
function timeOf(results: readonly Measured[]): string[] {
  const one = results.find(({ dataSet, model }) => dataSet === TIMED.dataSet && model === TIMED.model);
  const consortium = one?.outcome?.consortium;
  if (one === undefined || consortium === undefined) return [];
  const { rounds, trainingSeconds, load, cores } = consortium;
  const busy = Math.max(load.before, load.after) > cores;
  const rows = Object.values(one.banks).reduce((sum, bank) => sum + bank.rows, 0);
  return [
    `## How long trees take\n\n` +
      `${Object.keys(one.banks).length} banks of ${one.dataSet}, ${rows} rows, ${one.features} features, ` +
      `100 trees of depth 4, masked: ${trainingSeconds.toFixed(0)} s for ${rounds} rounds, ` +
      `${((trainingSeconds * 1000) / rounds).toFixed(0)} ms a round, with a load of ${load.before.toFixed(1)} before ` +
      `and ${load.after.toFixed(1)} after on ${cores} cores, which all banks and the coordinator share. ` +
      `The aim is ${TIMED.secondsAim} s on a quiet machine: ` +
      `${trainingSeconds <= TIMED.secondsAim ? 'met' : busy ? 'not met under this load; on a quiet machine it has not been measured' : 'not met'}.`,
  ];
}

const TIMED = { dataSet: 'sba_national_natural', model: 'gbdt', secondsAim: 90 } as const;

const SOURCES = `## The data

All public; files are CSV with a header row, an empty cell is missing. Outcomes and left-out columns are in
[data-sets.ts](../scripts/results/data-sets.ts).

| name | what it is |
|---|---|
| german_credit | UCI Statlog (German credit data), decoded levels, target \`creditability\` |
| taiwan_default | UCI Default of credit card clients |
| hmeq | HMEQ of Baesens et al. |
| polish_bankruptcy_1year | UCI Polish companies bankruptcy, first year |
| sba_national_natural | head of the national file of Li, Mickel and Taylor (2018), rows with an outcome, without borrowers' names |
| cumcm2020c_firms | CUMCM 2020, problem C: firms, with sums and shares of their invoices |`;

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
