import { describe, expect, it } from 'vitest';
import type { Measured } from '#scripts/results/results-file.ts';
import { reportOf } from '#scripts/results/report.ts';

const consortium = {
  rounds: 7,
  bytesPerBank: 12_345,
  trainingSeconds: 3,
  ledgerVerified: true,
  load: { before: 1, after: 2 },
  cores: 2,
};

/** A result in which nothing speaks against the federated model. */
const good: Measured = {
  dataSet: 'hmeq',
  model: 'scorecard',
  settings: '{}',
  features: 12,
  banks: { 'bank-01': { rows: 100, bads: 10 }, 'bank-02': { rows: 200, bads: 50 } },
  test: { rows: 90, bads: 30 },
  outcome: {
    federated: { auc: 0.81, ks: 0.5 },
    pooled: { auc: 0.81, ks: 0.5 },
    local: { aucMean: 0.7, aucMin: 0.6, aucMax: 0.8, ksMean: 0.3, ksMin: 0.2, guessing: 0 },
    sameModel: true,
    consortium,
  },
};

function changed(change: Partial<NonNullable<Measured['outcome']>>): Measured {
  return { ...good, outcome: { ...good.outcome!, ...change } };
}

/** What the section of a data set says below its table. */
function remarks(one: Measured): string[] {
  const section = reportOf([one]).split(`\n## ${one.dataSet}\n`)[1]!.split('\n## ')[0]!;
  return section.split('\n').filter((line) => line.startsWith('- scorecard'));
}

describe('the report on public data', () => {
  it('says nothing against a model against which nothing speaks', () => {
    expect(remarks(good)).toEqual([]);
  });

  it('says by how much a model is worse than pooled training', () => {
    const [remark] = remarks(changed({ federated: { auc: 0.79, ks: 0.5 }, sameModel: true }));
    expect(remark).toMatch(/0\.020 worse than pooled/);
  });

  it('says when the best bank alone does better', () => {
    const local = { ...good.outcome!.local, aucMax: 0.85 };
    expect(remarks(changed({ local }))[0]).toMatch(/best bank alone reaches 0\.850, 0\.040 more/);
    expect(reportOf([changed({ local })])).toMatch(/1 of 1 federated models are worse than the best bank/);
  });

  it('says when an exact program did not give the pooled model', () => {
    expect(remarks(changed({ sameModel: false }))[0]).toMatch(/not the pooled model/);
    expect(reportOf([changed({ sameModel: false })])).toMatch(/0 of 1 federated regressions/);
  });

  it('says when a ledger did not verify', () => {
    const unverified = { ...consortium, ledgerVerified: false };
    expect(remarks(changed({ consortium: unverified }))[0]).toMatch(/ledger did not verify/);
  });

  it('says why there is no model, and leaves it out of every count', () => {
    const { outcome: _, ...rest } = good;
    const failed = { ...rest, failure: 'a scorecard needs at least 20 bads' };
    expect(remarks(failed)[0]).toMatch(/no model\. a scorecard needs at least 20 bads/);
    expect(reportOf([failed])).toMatch(/0 of 0 federated models/);
  });

  it('says of every combination without a record that it was not measured', () => {
    expect(reportOf([good]).match(/: not measured\./g)).toHaveLength(6 * 4 - 1);
  });
});
