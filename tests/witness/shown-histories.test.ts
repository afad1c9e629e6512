/** What a bank's witness makes of the history it is shown: a real agent, and a coordinator that lies. */
import { expect, test } from 'vitest';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { plan } from '#shared/protocol/plan.ts';
import { Consortium } from '../attacks/consortium.ts';
import type { History } from '../attacks/history.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';
import { witnessSeedOf } from '../support/witness-keys.ts';

/** The agent goes, and comes back to another history, with its memory. */
async function comeBackTo(consortium: Consortium, history: History): Promise<void> {
  await consortium.agent.stop();
  consortium.show(history);
  await consortium.agent.start();
}

test('a bank that is shown a rewritten past after a restart breaks off', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const { history } = consortium;
  const other = history.before('run-started');
  const charter = consortium.coordinator.charterHash;
  for (let i = 0; other.entries.length < history.entries.length; i++) {
    const elsewhere = {
      ...tinyPlan(['a', 'c', 'd'], { name: `none of its business ${i}` }),
      contract: charter,
    };
    other.say('run-proposed', { charter, plan: plan.parse(elsewhere) });
  }
  await comeBackTo(consortium, other);
  expect(await consortium.agent.brokenOff()).toBe('FORK');
  await consortium.settle();
});

test('a bank that is shown less than before does nothing until the rest is back', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const { history } = consortium;
  const sent = consortium.sent.length;
  await comeBackTo(consortium, history.fork(3));
  await consortium.agent.log.until('its refusal', ({ msg }) => msg.includes('does not let the agent in'));
  expect(consortium.agent.log.all.some(({ level }) => level === 60)).toBe(false);
  await comeBackTo(consortium, history);
  await consortium.round(); // as if nothing had been
  expect(consortium.sent.length).toBeGreaterThan(sent);
  await consortium.settle();
});

test('a bank that is shown an entry with one before it left out breaks off', async () => {
  const consortium = await Consortium.dealt();
  const { history } = consortium;
  const [entry] = history.entries.slice(-1);
  history.pass({ ...entry!, seq: history.entries.length + 1 });
  expect(await consortium.agent.brokenOff()).toBe('LEDGER');
  await consortium.settle();
});

test('a bank answers no round under a head of another history', async () => {
  const consortium = await Consortium.dealt();
  const { history, coordinator } = consortium;
  const { size } = history.head;
  const head = signHead('tallystick/test', size, sha256(utf8('another history')), coordinator.logSeed);
  consortium.ask({ head });
  expect(await consortium.agent.brokenOff()).toBe('FORK');
  await consortium.settle();
});

test('a bank answers no round under a head that is not signed by the ledger', async () => {
  const consortium = await Consortium.dealt();
  const { head } = consortium.history;
  const [round] = [
    { ...head, signature: (head.signature.startsWith('A') ? 'B' : 'A') + head.signature.slice(1) },
  ];
  consortium.history.lie('open-round', consortium.openRound({ head: round }));
  expect(await consortium.agent.brokenOff()).toBe('SIG');
  await consortium.settle();
});

/** A run at its end, with the agent's cosignature and those of these banks. */
async function cosigned(consortium: Consortium, names: readonly string[]): Promise<string> {
  const { history, mark } = consortium;
  const { phase, id } = history.run;
  if (phase.name !== 'ready') throw new Error(phase.name);
  const { head } = history;
  const checkpoint = history.say('checkpoint', { run: id, parent: phase.parent, head }).hash;
  await consortium.relay(mark, 'cosign');
  for (const name of names) {
    const bank = consortium.bank(name);
    const signature = signCosignature({ origin: 'tallystick/test', ...head }, 7, witnessSeedOf(name));
    history.tell(bank.sign('cosign', { checkpoint, from: bank.id as ParticipantId, time: 7, signature }));
  }
  return checkpoint;
}

test('a bank believes in no model that too few banks have cosigned the history of', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const checkpoint = await cosigned(consortium, ['a']); // two of four: three are needed
  const { phase, id } = consortium.history.run;
  if (phase.name !== 'ready') throw new Error(phase.name);
  consortium.history.lie('run-finished', {
    ...{ run: id, parent: phase.parent, outcome: 'completed', reason: '', metrics: {} },
    ...{ artefact: 'd'.repeat(64), checkpoint },
  });
  expect(await consortium.agent.brokenOff()).toBe('QUORUM');
  await consortium.settle();
});

test('a bank takes no cosignature that is not by the key its witness was enrolled with', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const checkpoint = await cosigned(consortium, ['a']);
  const { head } = consortium.history.run.checkpoint!.payload;
  const signature = signCosignature({ origin: 'tallystick/test', ...head }, 7, witnessSeedOf('mallory'));
  const bank = consortium.bank('c');
  const forged = { checkpoint, from: bank.id as ParticipantId, time: 7, signature };
  consortium.history.forge(bank.sign('cosign', forged));
  expect(await consortium.agent.brokenOff()).toBe('SIG');
  await consortium.settle();
});
