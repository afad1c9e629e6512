/** What cannot be undone is asked about, evidence is not written over, and a verdict says what it stands for. */
import { readFile, truncate, writeFile, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { command, onlyJson } from '../support/command-line.ts';
import { tamperedCopy } from '../support/bundle-parts.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

let coordinator: TestCoordinator;
let run: TestRun;
let remote: string[];
let bundle: string;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'pglite' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b', 'c');
  run = await TestRun.start(coordinator, banks);
  await run.complete(banks);
  remote = ['--url', coordinator.url, '--token', coordinator.operatorToken];
  bundle = await coordinator.bundle();
});

describe('without a terminal', () => {
  test.each([
    [['bank', 'revoke', 'a', '--reason', 'x'], /Bank "a" would be out for good/],
    [['ledger', 'expire', '--keep-days', '0'], /bodies of up to 1 runs would be deleted \(tiny \d+\)/],
  ])('%j does nothing unless it is told --yes, and says what it would do', async (args, what) => {
    const before = (await coordinator.ledger()).length;
    const refused = await command([...args, ...remote]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/--yes.*--dry-run/s)]);
    expect(refused.stderr).toMatch(what);
    const dry = await command([...args, ...remote, '--dry-run']);
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringMatching(what)]);
    expect(dry.stdout).toMatch(/Nothing was done/);
    expect(await coordinator.ledger()).toHaveLength(before);
  });
});

describe('an auditor', () => {
  const verify = (file: string, ...more: string[]) =>
    command(['audit', 'verify', file, '--charter', coordinator.charter, ...more]);

  test('never writes a bundle over another', async () => {
    const out = join(await temporaryFolder('kept'), 'spring.bundle');
    await writeFile(out, 'the evidence of before');
    const refused = await command(['audit', 'export', '--out', out, ...remote]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/exists already.*never overwritten/),
    ]);
    expect(await readFile(out, 'utf8')).toBe('the evidence of before');
  });

  test('is told what was checked, and what no bundle proves', async () => {
    const { code, stdout } = await verify(bundle);
    expect(code).toBe(0);
    expect(stdout).toMatch(/recomputed alike/);
    expect(stdout).toMatch(
      /Checked:\n.*✓ \d+ entries.*✓ \d+ sums recomputed.*Not proven by any bundle:\n.*rows are true/s,
    );
  });

  test('tells a bundle that was cut short from a ledger that was forged', async () => {
    const cut = `${bundle}.cut`;
    await copyFile(bundle, cut);
    await truncate(cut, (await readFile(bundle)).length - 100);
    const csv = `${bundle}.csv`;
    await writeFile(csv, 'income,age\n1,2\n');
    for (const file of [cut, csv]) {
      const { code, stdout } = await verify(file);
      expect([code, stdout]).toEqual([
        2,
        expect.stringMatching(/no whole bundle.*Nothing is said about the ledger/s),
      ]);
    }
  });

  test('hears of an altered model by the name of its run, whose verdict is failed', async () => {
    const root = (await coordinator.operator.run(run.id)).result!.artefact!;
    const altered = await tamperedCopy(bundle, ({ bodies }) => {
      bodies.find(([name]) => name === root)![1][10]! ^= 1;
    });
    const { code, stdout } = await verify(altered);
    expect(code).toBe(1);
    expect(stdout).toMatch(/the model of run "tiny \d+" has been altered/);
    expect(stdout).toMatch(/tiny \d+.*failed/);
    expect(stdout).not.toMatch(/Checked:/);
  });

  test('learns whether a file is a model of the ledger', async () => {
    const root = (await coordinator.operator.run(run.id)).result!.artefact!;
    const file = join(await temporaryFolder('model'), 'model.json');
    await writeFile(file, await coordinator.operator.body(root));
    const args = ['audit', 'model', file, '--bundle', bundle, '--charter', coordinator.charter];
    expect(await command(args)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is, byte for byte, the model of run "tiny \d+"/) as string,
    });
    await writeFile(file, '{}');
    const other = await command([...args, '--json']);
    expect([other.code, onlyJson(other)]).toMatchObject([1, { runs: [] }]);
  });
});
