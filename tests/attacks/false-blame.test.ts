/** A coordinator that names an honest bank for a fault, to be rid of it: the others see that nothing proves it. */
import { expect, test } from 'vitest';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { proveCommitments } from '#shared/secure-sum/commitment-proof.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';

type Evidence = Payload<'blame'>['evidence'];

/** A round in which all have certified and revealed their shares. */
async function revealed(): Promise<Consortium> {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  await consortium.openUp();
  return consortium;
}

function blame({ history }: Consortium, culprit: string, code: string, evidence: Evidence): Payload<'blame'> {
  const { run } = history;
  return { run: run.id, culprit: run.roster.find((id) => id === culprit)!, code, reason: 'a lie', evidence };
}

/** What "c" revealed of the seed that "a" dealt, and what "a" had committed to. */
function shareOfC({ history, coordinator }: Consortium): Extract<Evidence, { message: unknown }> {
  const { session } = maskedOf(history.open);
  const message = history.entries
    .map((entry) => entry.message)
    .find((m): m is Message<'unmask'> => m.type === 'unmask' && m.payload.from === 'c')!;
  const table = coordinator.bodies.get(session.dealt.get(0)!.table)!;
  const layout = { banks: 4, slots: session.payload.slots };
  return { message, dealer: 0, ...proveCommitments(table, layout, 2) };
}

const flipped = (text: string): string => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);

test.each<[string, string, (consortium: Consortium) => Payload<'blame'>]>([
  [
    'a share that is right',
    'STATE',
    (consortium) => blame(consortium, 'c', 'SHARE_BAD', shareOfC(consortium)),
  ],
  [
    'a share against other commitments than the dealer signed',
    'VECROOT',
    (consortium) => {
      const evidence = shareOfC(consortium);
      const commitments = flipped(evidence.commitments);
      return blame(consortium, 'c', 'SHARE_BAD', { ...evidence, commitments });
    },
  ],
  [
    'a share against commitments that were made to another bank',
    'VECROOT',
    (consortium) => {
      const { history, coordinator } = consortium;
      const { session } = maskedOf(history.open);
      const table = coordinator.bodies.get(session.dealt.get(0)!.table)!;
      const other = proveCommitments(table, { banks: 4, slots: session.payload.slots }, 3);
      return blame(consortium, 'c', 'SHARE_BAD', { ...shareOfC(consortium), ...other });
    },
  ],
  [
    'a share that was changed after it was signed',
    'SIG',
    (consortium) => {
      const evidence = shareOfC(consortium);
      const { message } = evidence;
      const shares = message.payload.shares.map(flipped);
      const changed = { ...message, payload: { ...message.payload, shares } };
      return blame(consortium, 'c', 'SHARE_BAD', { ...evidence, message: changed });
    },
  ],
  [
    'a share that another bank has signed',
    'SIG',
    (consortium) => blame(consortium, 'd', 'SHARE_BAD', shareOfC(consortium)),
  ],
  [
    'shares that give the seed which was published',
    'STATE',
    (consortium) =>
      blame(consortium, 'c', 'DEALER_SELF', { ctx: consortium.history.open.hash, revealers: [0, 1, 2, 3] }),
  ],
  [
    'too few shares',
    'STATE',
    (consortium) =>
      blame(consortium, 'c', 'DEALER_SELF', { ctx: consortium.history.open.hash, revealers: [0, 3] }),
  ],
  [
    'a complaint that nobody made',
    'STATE',
    (consortium) => {
      const { session, names } = { session: consortium.history.session.hash, names: consortium.names };
      return blame(consortium, 'c', 'SHARE_CT', { session, complainer: names[0]!, dealers: [2] });
    },
  ],
])('a bank breaks off when another is named with %s', async (_what, refusal, lie) => {
  const consortium = await revealed();
  consortium.history.lie('blame', lie(consortium));
  expect(await consortium.agent.brokenOff()).toBe(refusal);
  await consortium.settle();
});
