/**
 * Public credit data that results and benches are measured on. The files are no part of the project: they are
 * read from a folder that TALLYSTICK_DATA names, as CSV with a header row, an empty cell being missing.
 */
import type { ModelName } from '#scripts/operator/models.ts';

export interface DataSet {
  readonly name: string;
  readonly file: string;
  readonly target: string;
  readonly bad: string;
  /** Ids, columns written after the outcome was known, and what tells the bank. */
  readonly exclude: readonly string[];
  /** A column whose largest groups are the banks. */
  readonly partitionBy?: string;
  /** How rows are dealt to banks where no column does it. */
  readonly skew?: string;
  readonly banks: number;
  /** What a plan needs here, where the defaults do not fit the number of rows. */
  readonly settings?: Partial<Record<ModelName, Readonly<Record<string, unknown>>>>;
  /** Why its banks are added up in one process, without sockets and masks. */
  readonly inProcess?: string;
  /** What was found where a figure needed looking into. */
  readonly findings?: Partial<Record<ModelName, string>>;
  /** What a reader must know of it. */
  readonly about: string;
}

/** Below ten thousand rows: the least that a plan may ask for in a node of a tree. */
const SMALL_TREES = { minCount: 20, minCategoryCount: 20 };
/** Below two thousand rows: batches so small that an epoch is more than a few steps. */
const SMALL_BATCHES = { local: { epochs: 1, batchSize: 32, learningRate: 0.003 } };

export const DATA_SETS: readonly DataSet[] = [
  {
    name: 'german_credit',
    file: 'german_credit.csv',
    target: 'creditability',
    bad: 'bad',
    exclude: [],
    skew: 'dirichlet:0.5',
    banks: 3,
    settings: { mlp: SMALL_BATCHES, gbdt: SMALL_TREES },
    about: 'Statlog German credit: 1,000 loans, 30 % bad.',
  },
  {
    name: 'taiwan_default',
    file: 'taiwan_default.csv.gz',
    target: 'default.payment.next.month',
    bad: '1',
    exclude: ['ID'],
    skew: 'dirichlet:0.5',
    banks: 5,
    about: 'Credit card holders in Taiwan, 2005: 30,000 customers, 22 % default in the next month.',
  },
  {
    name: 'hmeq',
    file: 'hmeq.csv',
    target: 'BAD',
    bad: '1',
    exclude: [],
    skew: 'dirichlet:0.5',
    banks: 5,
    settings: { gbdt: SMALL_TREES },
    about:
      'Home equity loans: 5,960, 20 % bad. Many cells are missing, and that they are missing tells much of the outcome.',
  },
  {
    name: 'polish_bankruptcy_1year',
    file: 'polish_bankruptcy_1year.csv.gz',
    target: 'class',
    bad: '1',
    exclude: [],
    skew: 'dirichlet:0.5',
    banks: 5,
    settings: { gbdt: SMALL_TREES },
    findings: {
      mlp:
        'of its 60 rounds the program keeps the one with the best hold-out log-loss. Here that is the second: hold-out ' +
        'AUC 0.42, against 0.74 in the last round, whose PDs are far too low (0.06 % in the mean, where 4.2 % are bad; the ' +
        'bank with three quarters of the rows has 0.1 % bads). Without momentum it is the same. The same rows dealt ' +
        'evenly to five banks give 0.881 on the test rows. All this was looked at in one process',
    },
    about: 'Polish companies: 7,027 with 64 financial ratios, 3.9 % bankrupt; 82 rows occur twice.',
  },
  {
    name: 'sba_national_natural',
    file: 'sba_national_natural.csv.gz',
    target: 'MIS_Status',
    bad: 'CHGOFF',
    exclude: [
      ...['LoanNr_ChkDgt', 'City', 'Zip', 'Bank', 'BankState', 'ApprovalDate', 'Term'],
      ...['ChgOffDate', 'ChgOffPrinGr', 'DisbursementDate', 'DisbursementGross'],
    ],
    partitionBy: 'Bank',
    banks: 8,
    about:
      'Loans to small businesses in the USA: 22,308, 21 % charged off. The banks are real: the seven largest lenders, and the eighth with all the others behind it. The term is left out because it was rewritten after default; with it every figure would be far higher, and false.',
  },
  {
    name: 'cumcm2020c_firms',
    file: 'cumcm2020c_firms.csv',
    target: '是否违约',
    bad: '是',
    exclude: ['企业代号', '企业名称', '信誉评级'],
    skew: 'iid',
    banks: 3,
    settings: {
      mlp: SMALL_BATCHES,
      gbdt: SMALL_TREES,
      logistic: { kMin: 5 },
      scorecard: { binning: { minBads: 5, groupsMax: 3 }, kMin: 5 },
    },
    inProcess:
      'an agent refuses to train on fewer than 50 rows, and 86 rows make no three banks of 50. So no consortium was started: the same programs were added up over three equal parts in one process, without sockets and masks',
    about:
      'Chinese firms with features drawn from their VAT invoices: the 123 of 425 with a known outcome, 27 of them in default. The rating is left out: it was given in knowledge of the outcome.',
  },
];
