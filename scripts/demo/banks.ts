/** Five made-up banks, and the contract they agreed on. */
import type { DataContract } from '#shared/contract/contract.ts';

export const SECTORS = [
  'manufacturing',
  'wholesale',
  'retail',
  'catering',
  'transport',
  'construction',
  'services',
  'agriculture',
] as const;
export const REGION_TIERS = ['tier 1', 'tier 2', 'tier 3', 'county'] as const;
export const COLLATERALS = ['none', 'guarantor', 'receivables', 'equipment', 'property'] as const;

export type Sector = (typeof SECTORS)[number];

export interface DemoBank {
  readonly id: string;
  /** Applicants with a known outcome. */
  readonly rows: number;
  /** Weights, in the order of SECTORS. */
  readonly sectors: readonly number[];
  /** Weights, in the order of REGION_TIERS. */
  readonly regions: readonly number[];
  /** Added to the logarithm of yearly invoices: how large this bank's customers are. */
  readonly sizeShift: number;
  /** Multiplies the median age of firms. */
  readonly ageFactor: number;
  /** Added to the logit of default: how careful the bank is, and its neighbourhood's luck. */
  readonly riskShift: number;
}

/** Unequal on purpose: 1,500 to 6,000 rows, 2 to 6 % defaults. */
export const DEMO_BANKS: readonly DemoBank[] = [
  {
    id: 'harbour',
    rows: 6000,
    sectors: [6, 40, 14, 3, 28, 3, 5, 1],
    regions: [35, 45, 15, 5],
    sizeShift: 0.3,
    ageFactor: 1.1,
    riskShift: 0.2,
  },
  {
    id: 'ironbridge',
    rows: 4500,
    sectors: [58, 8, 2, 1, 5, 24, 2, 0],
    regions: [5, 40, 40, 15],
    sizeShift: 0.7,
    ageFactor: 1.3,
    riskShift: 0.05,
  },
  {
    id: 'market-street',
    rows: 3600,
    sectors: [2, 6, 38, 34, 3, 2, 14, 1],
    regions: [30, 40, 25, 5],
    sizeShift: -0.7,
    ageFactor: 0.7,
    riskShift: 0.2,
  },
  {
    id: 'greenfield',
    rows: 2400,
    sectors: [9, 5, 16, 5, 6, 6, 3, 50],
    regions: [0, 5, 25, 70],
    sizeShift: -0.9,
    ageFactor: 1,
    riskShift: 0,
  },
  {
    id: 'nova',
    rows: 1500,
    sectors: [3, 10, 20, 8, 5, 2, 52, 0],
    regions: [60, 30, 8, 2],
    sizeShift: -0.3,
    ageFactor: 0.5,
    riskShift: -0.45,
  },
];

/** What the five banks agreed on. Protected grounds (age, sex, family, origin) are not asked for. */
export const demoContract: DataContract = {
  v: 1,
  name: 'small-business-default-12m',
  description: 'Small and micro business loans: does the firm default within 12 months of the decision?',
  target: {
    column: 'defaulted_12m',
    bad: '1',
    good: '0',
    description: '90 days or more past due within 12 months of the decision',
  },
  features: [
    number('months_trading', 'months', 0, 480, 'linear', 'since registration'),
    number('invoice_amount_12m', 'CNY', 0, 1e9, 'log', 'sales invoices issued, tax included'),
    number('invoice_trend_3m', 'ratio', 0, 4, 'linear', 'last three months over the three before'),
    number('top_buyer_share', 'share', 0, 1, 'linear', 'of invoices, to the largest buyer'),
    number('tax_paid_12m', 'CNY', 0, 1e8, 'log', 'value-added and income tax'),
    number('tax_late_filings', 'count', 0, 12, 'linear', 'in 12 months'),
    number('power_use_trend', 'ratio', 0, 4, 'linear', 'kWh of the last three months over the three before'),
    number('social_insurance_headcount', 'people', 0, 3000, 'log', 'insured employees'),
    number('headcount_change', 'ratio', -1, 2, 'linear', 'of insured employees in 12 months'),
    number('receivable_days', 'days', 0, 400, 'linear', 'receivables over daily sales'),
    number('overdue_related_parties', 'count', 0, 10, 'linear', 'owners and affiliates with overdue loans'),
    number('bank_turnover_12m', 'CNY', 0, 1e9, 'log', 'credited to accounts at this bank and others'),
    number('credit_utilisation', 'share', 0, 1.2, 'linear', 'of credit lines'),
    number('loans_elsewhere', 'count', 0, 12, 'linear', 'open loans at other lenders'),
    { name: 'sector', type: 'category', categories: [...SECTORS], missing: 'refused' },
    { name: 'region_tier', type: 'category', categories: [...REGION_TIERS], missing: 'allowed' },
    { name: 'collateral', type: 'category', categories: [...COLLATERALS], missing: 'allowed' },
  ],
};

function number(
  name: string,
  unit: string,
  min: number,
  max: number,
  scale: 'linear' | 'log',
  description: string,
): DataContract['features'][number] {
  return { name, type: 'number', description, unit, min, max, scale, missing: 'allowed' };
}
