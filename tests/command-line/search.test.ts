/** Trials are runs, and statistics are runs: what `run search` and the profile leave in the ledger. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Profile } from '#models/profile/profile.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { command, onlyJson } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { tinyApplicants, tinyContract } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c'];

test('every trial of a search is a run in the ledger, and the statistics of the consortium are one too', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const agents: TestAgent[] = [];
  for (const id of IDS)
    agents.push(
      await TestAgent.join(coordinator, id, { answers: 'real', applicants: tinyApplicants(300, id) }),
    );
  const contract = join(await temporaryFolder('search'), 'contract.json');
  await writeFile(contract, JSON.stringify(tinyContract));
  const env = { TALLYSTICK_URL: coordinator.url, TALLYSTICK_TOKEN: await coordinator.makeToken('operator') };

  const grid = JSON.stringify({ 'newton.ridge': [1, 1000] });
  const searched = await command(
    ['run', 'search', '--contract', contract, '--model', 'logistic', '--grid', grid, '--plain', '--json'],
    { env },
  );
  expect(searched.code, searched.stderr).toBe(0);
  const { trials, best } = onlyJson(searched) as {
    trials: { run: string; logLoss: number; settings: object }[];
    best: string;
  };
  expect(trials.map(({ settings }) => settings)).toEqual([{ 'newton.ridge': 1 }, { 'newton.ridge': 1000 }]);
  const sorted = trials.toSorted((x, y) => x.logLoss - y.logLoss);
  expect(best).toBe(sorted[0]!.run);
  const proposals = (await coordinator.ledger()).filter(({ type }) => type === 'run-proposed');
  expect(proposals.map((message) => (message as Message<'run-proposed'>).payload.plan.name)).toEqual([
    'credit model (trial 1 of 2)',
    'credit model (trial 2 of 2)',
  ]);

  const many = await command(
    ['run', 'search', '--contract', contract, '--grid', grid, '--max-trials', '1', '--json'],
    { env },
  );
  expect([many.code, many.stdout]).toEqual([2, expect.stringContaining('--max-trials')]);

  const proposed = await command(
    ['run', 'propose', '--contract', contract, '--model', 'profile', '--plain', '--watch'],
    { env },
  );
  expect(proposed.code, proposed.stderr).toBe(0);
  const { runs } = await coordinator.operator.get<{ runs: { run: string }[] }>('/v1/runs');
  const { result } = await coordinator.operator.run(runs[0]!.run); // the newest
  await agents[0]!.model(result!.artefact!);
  const kept = join(agents[0]!.folder, 'models', `${result!.artefact}.json`);
  const profile = JSON.parse(await readFile(kept, 'utf8')) as Profile;
  expect(profile).toMatchObject({ kind: 'profile', rows: 900 });
  const shown = await command(['data', 'profile', kept]);
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining('tiny: 900 rows')]);
  const own = await command([
    ...['data', 'profile', join(agents[0]!.folder, 'applicants.csv')],
    ...['--contract', contract, '--json'],
  ]);
  expect(onlyJson(own)).toMatchObject({ kind: 'profile', rows: 300 });
});
