/** A ledger with every kind of entry in it: masked and plain runs, faults, retries, keys that change. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import { dealtFrom } from '../masked/dealt-from.ts';
import { HandDrivenBank } from '../masked/hand-driven-bank.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const HONEST = ['a', 'b', 'c', 'd'];

export interface SampleLedger {
  readonly coordinator: TestCoordinator;
  readonly bytes: Uint8Array;
  readonly charter: string;
  /** The newest head that one of the banks has witnessed: of the last run's end. */
  readonly bankNote: string;
  /** Completed runs. */
  readonly runs: { readonly masked: string; readonly plain: string };
}

export async function makeSampleLedger(): Promise<SampleLedger> {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const { operator } = coordinator;
  await coordinator.operator.post('/v1/ledger/identity', {}); // before all others: those are by the key in its folder
  const agents = await TestAgent.joinAll(coordinator, HONEST);
  await forgetOneRun(coordinator);
  const masked = await faultyDealer(coordinator);
  await roundAskedAgain(coordinator);
  const plain = await refusedRound(coordinator);
  const note = join(agents[0]!.folder, 'state/witness.note');
  await eventually('the last head', async () =>
    (await readFile(note, 'utf8')).includes(`\n${plain.entries.at(-1)!.seq + 1}\n`),
  );
  const bankNote = await readFile(note, 'utf8');
  await operator.post('/v1/tokens', { name: 'anna', role: 'auditor' });
  await operator.post('/v1/ledger/key', {});
  await operator.post('/v1/incidents', { reason: 'the disk was changed' });
  const file = await coordinator.bundle();
  const bytes = new Uint8Array(await readFile(file));
  return {
    coordinator,
    bytes,
    bankNote,
    charter: coordinator.charter,
    runs: { masked: masked.id, plain: plain.id },
  };
}

/** A run that was stopped before it began, and whose bodies have expired: it had none. */
async function forgetOneRun({ operator }: TestCoordinator): Promise<void> {
  const { run } = await operator.post<{ run: string }>('/v1/runs', {
    contract: tinyContract,
    plan: tinyPlan(['a', 'b']),
  });
  await operator.post(`/v1/runs/${run}/stop`, { reason: 'a mistake' });
  await operator.post('/v1/retention', { keepDays: 0 });
}

/** A bank deals shares that one cannot open: it is blamed, and the others go on with new keys. */
async function faultyDealer(coordinator: TestCoordinator): Promise<TestRun> {
  const cheat = await HandDrivenBank.join(coordinator, 'cheat');
  cheat.cheating = {
    deal: (bank, session) =>
      dealtFrom(bank, session, (secrets, keys) => {
        keys[1] = keys[2]!;
        return secrets;
      }),
  };
  const deadlines = { absenceMs: 300 };
  const run = await TestRun.propose(
    coordinator,
    maskedPlan([...HONEST, cheat.id], { minimum: 3, deadlines }),
  );
  await cheat.takePartIn(run);
  await run.finished();
  return run;
}

/** All answers are needed and one does not come in time: the round is void, all vote, it is asked again. */
async function roundAskedAgain(coordinator: TestCoordinator): Promise<void> {
  const slow = await HandDrivenBank.join(coordinator, 'slow');
  slow.silent.add('masked-input');
  const run = await TestRun.propose(coordinator, maskedPlan([...HONEST, slow.id], { minimum: 5 }));
  await slow.takePartIn(run);
  await run.round(0);
  for (const id of HONEST) await run.until('masked-input', ({ from }) => from === id);
  coordinator.clock.advance(60_001);
  await TestBank.join(coordinator, 'passer-by'); // the coordinator looks up
  await run.until('void-round');
  await slow.sendAfterAll('masked-input'); // which may have been asked for again by now
  await run.finished();
}

/** One bank withdraws from a run; one refuses once in the next; another changes its keys afterwards, and a third is revoked. */
async function refusedRound(coordinator: TestCoordinator): Promise<TestRun> {
  const banks = await TestBank.joinAll(coordinator, 'p', 'q', 'r');
  const left = await TestRun.start(coordinator, banks, { minimum: 2 });
  await left.round(0);
  const { id: from } = banks[2]!;
  await banks[2]!.submit(banks[2]!.sign('withdraw', { run: left.id, from }));
  await left.complete(banks.slice(0, 2));
  const run = await TestRun.start(coordinator, banks, { minimum: 3 });
  const first = await run.round(0);
  await run.answer(banks[0]!, first);
  await run.refuse(banks[1]!, first);
  await run.until('void-round');
  const again = await run.round(0, 1);
  for (const bank of banks) await run.answer(bank, again);
  await run.complete(banks, 1);
  const seed = sha256(utf8('the new key of p'));
  const fields = {
    ...{ charter: coordinator.charter, from: banks[0]!.id, identityKey: toBase64Url(publicKeyOf(seed)) },
    witnessKey: toBase64Url(publicKeyOf(sha256(utf8('the new witness key of p')))),
  };
  const payload = { ...fields, proof: signNewBankKey(fields, seed) };
  const rotated = await banks[0]!.http('POST', '/v1/participants/p/keys', {
    json: signMessage('rotate-key', payload, banks[0]!.seed),
  });
  if (rotated.status !== 200) throw new Error(JSON.stringify(rotated.json));
  await coordinator.operator.post('/v1/participants/r/revocation', { reason: 'left the consortium' });
  return run;
}
