/**
 * Made-up loan applicants of five made-up banks, for the demonstration and for tests: small firms seen
 * through invoices, tax, power, social insurance and bank turnover. No real person or firm is behind a row.
 *
 * The truth is known: each applicant's probability of default comes from a logistic function with thresholds
 * and interactions, mostly of sector with behaviour (falling power use is bad news of a factory, not of a
 * shop). Each bank lends to other sectors, so a bank alone has seen few defaults, and hardly any of the kinds
 * its neighbours know. A function of (seed, bank) only; more rows of a seed continue the fewer.
 */
import { writeFile } from 'node:fs/promises';
import {
  COLLATERALS,
  demoContract,
  REGION_TIERS,
  SECTORS,
  type DemoBank,
  type Sector,
} from '#scripts/demo/banks.ts';
import { Draw } from '#scripts/demo/draw.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export interface ApplicantOptions {
  readonly bank: DemoBank;
  readonly seed: string;
  /** Default: the bank's own number. */
  readonly rows?: number;
}

export interface Applicants {
  /** `applicant_id`, the contract's features in its order, and the target. */
  readonly header: string[];
  /** One text per column of `header`; '' where missing. */
  readonly rows: string[][];
  /** The probability each outcome was drawn with. Never written to a file. */
  readonly truePd: Float64Array;
}

export function generateApplicants({ bank, seed, rows: rowCount = bank.rows }: ApplicantOptions): Applicants {
  const draw = new Draw(new SeededGenerator('demo-applicants', seed, bank.id));
  const truePd = new Float64Array(rowCount);
  const rows: string[][] = [];
  for (let i = 0; i < rowCount; i++) {
    const firm = drawFirm(draw, bank);
    const pd = logistic(BASE_LOGIT + bank.riskShift + riskScore(firm));
    truePd[i] = pd;
    const outcome = draw.unit() < pd ? '1' : '0';
    rows.push([`${bank.id}-${String(i + 1).padStart(5, '0')}`, ...fileCells(draw, firm), outcome]);
  }
  const header = ['applicant_id', ...demoContract.features.map((f) => f.name), demoContract.target.column];
  return { header, rows, truePd };
}

/** Writes the bank's file as CSV in UTF-8, without the true probabilities. */
export async function writeApplicantsCsv(path: string, options: ApplicantOptions): Promise<Applicants> {
  const applicants = generateApplicants(options);
  // No cell made here holds a comma, a quote or a line break.
  const lines = [applicants.header, ...applicants.rows].map((cells) => cells.join(','));
  await writeFile(path, `${lines.join('\n')}\n`, 'utf8');
  return applicants;
}

/** What is usual in a sector, in the order of SECTORS. */
const SECTOR_NORMS: Record<
  Sector,
  { invoices: number; taxShare: number; perHead: number; receivableDays: number; buyerShare: number }
> = {
  manufacturing: { invoices: 9e6, taxShare: 0.04, perHead: 4e5, receivableDays: 75, buyerShare: 0.35 },
  wholesale: { invoices: 1.2e7, taxShare: 0.015, perHead: 1.5e6, receivableDays: 55, buyerShare: 0.25 },
  retail: { invoices: 2.5e6, taxShare: 0.02, perHead: 5e5, receivableDays: 12, buyerShare: 0.08 },
  catering: { invoices: 1.5e6, taxShare: 0.03, perHead: 1.6e5, receivableDays: 5, buyerShare: 0.05 },
  transport: { invoices: 5e6, taxShare: 0.03, perHead: 4.5e5, receivableDays: 60, buyerShare: 0.4 },
  construction: { invoices: 8e6, taxShare: 0.03, perHead: 5e5, receivableDays: 120, buyerShare: 0.5 },
  services: { invoices: 2e6, taxShare: 0.05, perHead: 2.5e5, receivableDays: 40, buyerShare: 0.3 },
  agriculture: { invoices: 1.8e6, taxShare: 0.005, perHead: 3e5, receivableDays: 30, buyerShare: 0.45 },
};

type Firm = ReturnType<typeof drawFirm>;

function drawFirm(draw: Draw, bank: DemoBank) {
  const sector = draw.choice(SECTORS, bank.sectors);
  const norm = SECTOR_NORMS[sector];
  // Hidden: a firm in trouble shows it in several figures at once, each with its own noise.
  const strain = draw.normal();
  const invoices = norm.invoices * Math.exp(bank.sizeShift + 1.1 * draw.normal());
  const heads = (invoices / norm.perHead) * Math.exp(0.5 * draw.normal());
  return {
    sector,
    region: draw.choice(REGION_TIERS, bank.regions),
    collateral: draw.choice(COLLATERALS, [38, 24, 12, 10, 16]),
    monthsTrading: Math.min(470, 3 + 50 * bank.ageFactor * Math.exp(0.75 * draw.normal())),
    invoices,
    invoiceTrend: Math.min(3.9, Math.exp(0.02 - 0.14 * strain + 0.28 * draw.normal())),
    topBuyerShare: logistic(Math.log(norm.buyerShare / (1 - norm.buyerShare)) + 0.8 * draw.normal()),
    taxPaid: invoices * norm.taxShare * Math.exp(-0.15 * strain + 0.45 * draw.normal()),
    lateFilings: draw.poisson(0.45 * Math.exp(0.55 * strain), 12),
    powerTrend: Math.min(3.9, Math.exp(-0.12 * strain + 0.26 * draw.normal())),
    headcount: Math.floor(heads),
    headcountChange: Math.min(2, Math.exp(-0.08 * strain + 0.22 * draw.normal()) - 1),
    receivableDays: Math.min(390, norm.receivableDays * Math.exp(0.12 * strain + 0.5 * draw.normal())),
    overdueRelated: draw.poisson(0.16 * Math.exp(0.6 * strain), 10),
    turnover: invoices * Math.exp(0.1 - 0.1 * strain + 0.5 * draw.normal()),
    utilisation: Math.min(1.15, 1.05 * logistic(0.1 + 0.45 * strain + 1.2 * draw.normal())),
    loansElsewhere: draw.poisson(1.3 * Math.exp(0.3 * strain), 12),
  };
}

/** Sets the mean default rate. */
const BASE_LOGIT = -5.8;
/** Sets how far the truth itself separates good from bad: an AUC of about 0.88. */
const SLOPE = 0.93;

/**
 * Logit of default, up to a constant. Thresholds and products make it what a linear scorecard
 * cannot draw; the products with sector make it what one bank alone cannot see.
 */
function riskScore(f: Firm): number {
  const invoiceFall = shortfall(1, f.invoiceTrend, 0.5);
  const powerFall = shortfall(1, f.powerTrend, 0.5);
  const layoffs = shortfall(0, f.headcountChange, 0.5);
  const overdrawn = Math.max(0, f.utilisation - 0.65);
  const slowPayers = Math.max(0, Math.log(f.receivableDays / SECTOR_NORMS[f.sector].receivableDays));
  // Money invoiced that never reaches an account, or money in accounts that nothing was invoiced for.
  const turnoverGap = Math.abs(Math.log(f.turnover / f.invoices));
  const taxGap = Math.max(0, -Math.log(f.taxPaid / (f.invoices * SECTOR_NORMS[f.sector].taxShare)));
  const young = Math.max(0, 1 - f.monthsTrading / 36);

  let score =
    1.2 * young +
    0.35 * Math.min(f.lateFilings, 4) +
    0.75 * Math.min(f.overdueRelated, 3) +
    5 * overdrawn * (f.collateral === 'none' ? 1.6 : 0.3) +
    0.45 * turnoverGap +
    (0.08 + 0.3 * young) * f.loansElsewhere -
    0.2 * Math.log(f.invoices / 3e6) +
    { 'tier 1': -0.1, 'tier 2': 0, 'tier 3': 0.15, county: 0.25 }[f.region] +
    { none: 0.2, guarantor: 0.05, receivables: 0.1, equipment: 0, property: -0.6 }[f.collateral];
  switch (f.sector) {
    case 'manufacturing':
      score += 9 * powerFall + 2.5 * layoffs - 0.3;
      break;
    case 'wholesale':
      score += 3.2 * slowPayers + 2.5 * f.topBuyerShare - 0.9;
      break;
    case 'retail':
      score += 7.5 * invoiceFall + 0.8 * taxGap - 0.4;
      break;
    case 'catering':
      score += 6 * invoiceFall + 5 * layoffs - 0.3;
      break;
    case 'transport':
      score += 4.5 * Math.max(0, f.topBuyerShare - 0.3) + 3 * powerFall - 0.8;
      break;
    case 'construction':
      score += 3.2 * slowPayers + 0.6 * Math.min(f.lateFilings, 4) - 0.6;
      break;
    case 'services':
      score += 9 * layoffs + 1.2 * taxGap - 0.4;
      break;
    case 'agriculture':
      // Seasons swing invoices: growth out of season is the warning, not a fall.
      score += 4.5 * Math.max(0, f.invoiceTrend - 1.1) + 0.6 * f.overdueRelated - 0.3;
      break;
  }
  return SLOPE * score;
}

/** How far `value` lies below `reference`, at most `most`. */
function shortfall(reference: number, value: number, most: number): number {
  return Math.min(most, Math.max(0, reference - value));
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The contract's features as a bank would export them, some of them missing. */
function fileCells(draw: Draw, f: Firm): string[] {
  const sparse = (share: number, text: string): string => (draw.unit() < share ? '' : text);
  const hasFewReceivables = f.sector === 'retail' || f.sector === 'catering';
  const rentsWithPower = f.sector === 'services' || f.sector === 'retail';
  return [
    f.monthsTrading.toFixed(0),
    f.invoices.toFixed(2),
    sparse(f.monthsTrading < 9 ? 0.6 : 0.02, f.invoiceTrend.toFixed(3)),
    sparse(0.03, f.topBuyerShare.toFixed(3)),
    sparse(0.02, f.taxPaid.toFixed(2)),
    f.lateFilings.toFixed(0),
    sparse(rentsWithPower ? 0.35 : 0.06, f.powerTrend.toFixed(3)),
    f.headcount.toFixed(0),
    sparse(f.headcount === 0 ? 1 : 0.03, f.headcountChange.toFixed(3)),
    sparse(hasFewReceivables ? 0.3 : 0.04, f.receivableDays.toFixed(1)),
    f.overdueRelated.toFixed(0),
    sparse(0.02, f.turnover.toFixed(2)),
    sparse(0.08, f.utilisation.toFixed(3)),
    f.loansElsewhere.toFixed(0),
    f.sector,
    sparse(0.01, f.region),
    sparse(0.02, f.collateral),
  ];
}
