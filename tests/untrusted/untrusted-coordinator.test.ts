/** A bank need not trust the coordinator: what an agent does when it lies. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAgent } from '#participant-agent/agent.ts';
import { agentYaml } from '#participant-agent/config.ts';
import { makeAgentKeys } from '#participant-agent/keys.ts';
import { createLogger } from '#participant-agent/logger.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import { participantId, runId, type RunId } from '#shared/protocol/ids.ts';
import { plan, type Plan } from '#shared/protocol/plan.ts';
import { eventually } from '../support/eventually.ts';
import { FalseCoordinator } from '../support/false-coordinator.ts';
import { MovableClock } from '../support/movable-clock.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { headOver, witnessKeyOf, witnessSeedOf } from '../support/witness-keys.ts';
import { tinyApplicants, tinyContract, tinyPlan, writeApplicants } from '../support/tiny-bank-data.ts';

const clock = new MovableClock();
const coordinatorSeed = new Uint8Array(randomBytes(32));
const strangerSeed = new Uint8Array(randomBytes(32));

const charterPayload: Payload<'charter'> = {
  ...{ v: 1, consortium: 'test', origin: 'tallystick/test' },
  coordinatorKey: toBase64Url(publicKeyOf(coordinatorSeed)),
  logKey: toBase64Url(publicKeyOf(strangerSeed)),
};
const charter = messageHash('charter', charterPayload);

/** An agent of bank "a", enrolled with the honest charter. */
async function startAgent(
  url: string,
): Promise<{ folder: string; models: () => Promise<string[]>; close: () => Promise<void> }> {
  const folder = await temporaryFolder('agent');
  await mkdir(folder, { recursive: true });
  const { identity } = await makeAgentKeys(folder, undefined);
  const keys = { identity, witness: witnessSeedOf('a') };
  await writeApplicants(join(folder, 'applicants.csv'), tinyApplicants(60, 'a'));
  const yaml = agentYaml({ url, charter, participant: 'a', dataFile: 'applicants.csv' });
  await writeFile(join(folder, 'agent.yaml'), yaml);
  await writeFile(
    join(folder, 'policy.yaml'),
    policyYaml({ consent: 'automatic', aggregation: ['masked', 'plain'], minimumCohort: 2 }),
  );
  const agent = await createAgent(folder, keys, {
    clock,
    log: createLogger('silent'),
    createComputer: (dataFile) => stubComputer(dataFile, 'a'),
  });
  closeLater(() => agent.close());
  return { folder, models: () => readdir(join(folder, 'models')), close: () => agent.close() };
}

/** Signs and numbers what the coordinator says. */
class Speaker {
  readonly coordinator: FalseCoordinator;

  constructor(coordinator: FalseCoordinator) {
    this.coordinator = coordinator;
  }

  /** @returns the message's hash */
  say<Type extends MessageType>(type: Type, payload: Payload<Type>, seed = coordinatorSeed): string {
    const message = signMessage(type, payload, seed) as Message;
    const seq = this.coordinator.entries.length;
    this.coordinator.say({ seq, time: clock.now(), message });
    return messageHash(type, payload);
  }

  head() {
    return headOver(this.coordinator.entries, charterPayload.origin, strangerSeed);
  }

  charter(): void {
    this.say('charter', charterPayload);
  }

  propose(banks = ['a', 'b']): { run: string; proposal: Plan } {
    const proposal = plan.parse({ ...tinyPlan(banks), contract: contractHash(tinyContract) });
    this.coordinator.bodies.set(proposal.contract, contractBytes(tinyContract));
    return { run: this.say('run-proposed', { charter, plan: proposal }), proposal };
  }

  /** A run that the agent has consented to, and that has started. */
  async start(): Promise<{ run: string; started: string; asked: NonNullable<RunMachine['asked']> }> {
    const { run, proposal } = this.propose();
    await eventually('consent', () => this.coordinator.submitted.length === 1);
    expect(this.coordinator.submitted.splice(0)).toMatchObject([
      { type: 'consent', payload: { decision: 'granted' } },
    ]);
    const roster = proposal.participants;
    const started = this.say('run-started', {
      run: runId.parse(run),
      roster,
      witnessKeys: roster.map(witnessKeyOf),
    });
    return { run, started, asked: new RunMachine(proposal, tinyContract, 2).asked! };
  }
}

async function falseCoordinator(
  says = charter,
): Promise<{ coordinator: FalseCoordinator; speaker: Speaker }> {
  const coordinator = await FalseCoordinator.start(() => says);
  return { coordinator, speaker: new Speaker(coordinator) };
}

describe('an agent', () => {
  test('does not introduce itself to another consortium than the one it was invited to', async () => {
    const { coordinator } = await falseCoordinator('0'.repeat(64));
    await startAgent(coordinator.url);
    await eventually('the agent to hang up', () => coordinator.asked.includes('disconnect'));
    expect(coordinator.asked).toEqual(['connection', 'disconnect']);
  });

  test('answers an honest question', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    await startAgent(coordinator.url);
    const { run, started, asked } = await speaker.start();
    openRound(speaker, run, started, asked);
    await eventually('its answer', () => coordinator.submitted.some(({ type }) => type === 'plain-input'));
    expect(coordinator.submitted.map(({ type }) => type)).toEqual(['plain-input']);
    expect(coordinator.received).toHaveLength(1);
  });

  test.each([
    null,
    7,
    'entry',
    {},
    { body: 'AAAA' },
    { root: 'x', body: 'AAAA' },
    { root: charter, body: 7 },
    { root: charter, body: 'A' },
    { root: charter, body: 'AAA=' },
    { root: charter, body: 'A'.repeat(100_000) },
    { root: charter, body: 'AAAA', extra: 1 },
  ])('breaks off over %j in what it is shown', async (item) => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    await startAgent(coordinator.url);
    await eventually('the agent to follow', () => coordinator.asked.includes('follow'));
    coordinator.show({ root: charter, body: 'AAAA' }); // whatever it is, it may come
    coordinator.show(item);
    await eventually('the agent to hang up', () => coordinator.asked.includes('disconnect'));
    expect(coordinator.asked.filter((what) => what === 'connection')).toHaveLength(1);
  });

  test('refuses a question that does not follow from the plan', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    await startAgent(coordinator.url);
    const { run, started, asked } = await speaker.start();
    openRound(speaker, run, started, asked, { hash: 'e'.repeat(64) });
    await eventually('its refusal', () => coordinator.submitted.length > 0);
    expect(coordinator.submitted).toMatchObject([{ type: 'refuse-round', payload: { code: 'LINEAGE' } }]);
    expect(coordinator.asked.filter((request) => request.startsWith('PUT'))).toEqual([]);
  });

  test('refuses a question in another shape than the plan leads to', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    await startAgent(coordinator.url);
    const { run, started, asked } = await speaker.start();
    openRound(speaker, run, started, asked, { length: asked.length + 1 });
    await eventually('its refusal', () => coordinator.submitted.length > 0);
    expect(coordinator.submitted).toMatchObject([{ type: 'refuse-round', payload: { code: 'LINEAGE' } }]);
  });

  test('does not keep a model that does not follow from the sums', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    const { folder, models } = await startAgent(coordinator.url);
    const { run, started } = await speaker.start();
    const forged = new TextEncoder().encode('{"weights":[0]}');
    coordinator.bodies.set('d'.repeat(64), forged);
    const checkpoint = await cosigned(speaker, runId.parse(run), started);
    speaker.say('run-finished', {
      ...{ run: runId.parse(run), parent: started, outcome: 'completed', reason: 'trust me', checkpoint },
      ...{ artefact: 'd'.repeat(64), metrics: {} },
    });
    const state = await AgentState.open(folder);
    await eventually(
      'the end of the run',
      async () => (await state.status())?.runs[0]?.detail === 'completed',
    );
    expect(await models()).toEqual([]);
  });

  const lies: [what: string, tell: (speaker: Speaker) => void][] = [
    [
      'is signed with another key',
      (speaker) =>
        void speaker.say(
          'run-proposed',
          { charter, plan: plan.parse({ ...tinyPlan(['a', 'b']), contract: '0'.repeat(64) }) },
          strangerSeed,
        ),
    ],
    [
      'is a second charter',
      (speaker) => void speaker.say('charter', { ...charterPayload, consortium: 'another' }),
    ],
    [
      'starts a run nobody has proposed',
      (speaker) =>
        void speaker.say('run-started', {
          run: runId.parse('1'.repeat(64)),
          roster: [participantId.parse('a')],
          witnessKeys: [witnessKeyOf('a')],
        }),
    ],
    [
      'does not follow what was said before',
      (speaker) => {
        const { run } = speaker.propose(['b', 'c']); // none of our business until then
        speaker.say('run-finished', {
          ...{ run: runId.parse(run), parent: 'c'.repeat(64), outcome: 'failed', reason: '' },
          metrics: {},
        });
      },
    ],
  ];

  test.each(lies)('does nothing more for a coordinator whose word %s', async (_what, tell) => {
    for (const when of ['from the start', 'later']) {
      const { coordinator, speaker } = await falseCoordinator();
      speaker.charter();
      if (when === 'later') {
        await startAgent(coordinator.url);
        await eventually('the agent to follow', () => coordinator.asked.includes('follow'));
      }
      tell(speaker);
      speaker.propose(); // and goes on as if nothing were the matter
      if (when === 'from the start') {
        await startAgent(coordinator.url);
        await eventually('the agent to follow', () => coordinator.asked.includes('follow'));
      }
      await eventually('the agent to hang up', () => coordinator.asked.includes('disconnect'));
      expect([when, coordinator.submitted]).toEqual([when, []]);
      expect([when, coordinator.asked]).toEqual([
        when,
        ['connection', 'authenticate', 'follow', 'disconnect'],
      ]);
    }
  });

  test('that is closed stays away, also from a coordinator that it has just hung up on', async () => {
    const [one, other] = [await falseCoordinator('0'.repeat(64)), await falseCoordinator('0'.repeat(64))];
    const { close } = await startAgent(one.coordinator.url);
    await eventually('the agent to hang up', () => one.coordinator.asked.includes('disconnect'));
    await close();
    // another one that is not closed dials again, and later than this one would have
    await startAgent(other.coordinator.url);
    await eventually('the other to come again', () => other.coordinator.asked.length > 2);
    expect(one.coordinator.asked).toEqual(['connection', 'disconnect']);
  });
});

/** Both banks of a run cosign the ledger: the agent itself, and the other, whose keys are the coordinator's. */
async function cosigned(speaker: Speaker, run: RunId, parent: string): Promise<string> {
  const { coordinator } = speaker;
  const head = speaker.head();
  const checkpoint = speaker.say('checkpoint', { run, parent, head });
  await eventually('its cosignature', () => coordinator.submitted.some(({ type }) => type === 'cosign'));
  const own = coordinator.submitted.find(({ type }) => type === 'cosign')!;
  coordinator.say({ seq: coordinator.entries.length, time: clock.now(), message: own });
  const signed = { origin: charterPayload.origin, ...head };
  const signature = signCosignature(signed, 1, witnessSeedOf('b'));
  const other = { checkpoint, from: participantId.parse('b'), time: 1, signature };
  coordinator.say({
    ...{ seq: coordinator.entries.length, time: clock.now() },
    message: signMessage('cosign', other, strangerSeed) as Message,
  });
  return checkpoint;
}

function openRound(
  speaker: Speaker,
  run: string,
  parent: string,
  asked: NonNullable<RunMachine['asked']>,
  changes: Partial<Payload<'open-round'>['question']> = {},
): void {
  const { question, hash, length } = asked;
  speaker.say('open-round', {
    ...{ run: runId.parse(run), parent, round: 0, attempt: 0, metrics: {} },
    question: { kind: question.kind, hash, ring: question.ring, length, ...changes },
    deadlineAt: clock.now() + 60_000,
    head: speaker.head(),
  });
}
