/** A bank need not trust the coordinator: what an agent does when it lies. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAgent } from '#participant-agent/agent.ts';
import { agentYaml } from '#participant-agent/config.ts';
import { createIdentity } from '#participant-agent/identity.ts';
import { createLogger } from '#participant-agent/logger.ts';
import { POLICY_YAML } from '#participant-agent/policy/policy.ts';
import { LocalComputer } from '#participant-agent/training/run-computer.ts';
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import { participantId, runId } from '#shared/protocol/ids.ts';
import { plan, type Plan } from '#shared/protocol/plan.ts';
import { eventually } from '../support/eventually.ts';
import { FalseCoordinator } from '../support/false-coordinator.ts';
import { MovableClock } from '../support/movable-clock.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { stubAnswerer } from '../support/stub-answers.ts';
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
async function startAgent(url: string): Promise<{ folder: string; models: () => Promise<string[]> }> {
  const folder = await temporaryFolder('agent');
  await mkdir(folder, { recursive: true });
  const seed = await createIdentity(folder, undefined);
  await writeApplicants(join(folder, 'applicants.csv'), tinyApplicants(40, 'a'));
  const yaml = agentYaml({ url, charter, participant: 'a', dataFile: 'applicants.csv' });
  await writeFile(join(folder, 'agent.yaml'), yaml);
  await writeFile(
    join(folder, 'policy.yaml'),
    POLICY_YAML.replace('consent: ask', 'consent: automatic').replace('minimumCohort: 3', 'minimumCohort: 2'),
  );
  const agent = await createAgent(folder, seed, {
    clock,
    log: createLogger('silent'),
    createComputer: (dataFile) => new LocalComputer(dataFile, () => stubAnswerer('a')),
  });
  closeLater(() => agent.close());
  return { folder, models: () => readdir(join(folder, 'models')) };
}

/** Signs and numbers what the coordinator says. */
class Speaker {
  readonly coordinator: FalseCoordinator;
  private seq = 0;

  constructor(coordinator: FalseCoordinator) {
    this.coordinator = coordinator;
  }

  /** @returns the message's hash */
  say<Type extends MessageType>(type: Type, payload: Payload<Type>, seed = coordinatorSeed): string {
    const message = signMessage(type, payload, seed) as Message;
    this.coordinator.say({ seq: this.seq++, time: clock.now(), message });
    return messageHash(type, payload);
  }

  charter(): void {
    this.say('charter', charterPayload);
  }

  /** A run that has started with banks a and b. */
  start(): { run: string; started: string; asked: RunMachine['asked']; proposal: Plan } {
    const proposal = plan.parse({ ...tinyPlan(['a', 'b']), contract: contractHash(tinyContract) });
    this.coordinator.bodies.set(proposal.contract, contractBytes(tinyContract));
    const run = this.say('run-proposed', { charter, plan: proposal });
    const roster = proposal.participants;
    const started = this.say('run-started', { run: runId.parse(run), roster });
    return { run, started, proposal, asked: new RunMachine(proposal, tinyContract, 2).asked };
  }
}

async function falseCoordinator(
  says = charter,
): Promise<{ coordinator: FalseCoordinator; speaker: Speaker }> {
  const coordinator = await FalseCoordinator.start(() => says);
  return { coordinator, speaker: new Speaker(coordinator) };
}

/** Long enough for an agent that would act to have acted. */
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400));

describe('an agent', () => {
  test('does not introduce itself to another consortium than the one it was invited to', async () => {
    const { coordinator } = await falseCoordinator('0'.repeat(64));
    await startAgent(coordinator.url);
    await eventually('the agent to come', () => coordinator.asked.includes('connection'));
    await aWhile();
    expect(coordinator.asked).not.toContain('authenticate');
  });

  test('answers an honest question', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    const { run, started, asked } = speaker.start();
    openRound(speaker, run, started, asked!);
    await startAgent(coordinator.url);
    await eventually('its answer', () => coordinator.submitted.some(({ type }) => type === 'plain-input'));
    expect(coordinator.submitted.map(({ type }) => type)).toEqual(['plain-input']);
    expect(coordinator.asked.filter((request) => request.startsWith('PUT'))).toHaveLength(1);
  });

  test('refuses a question that does not follow from the plan', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    const { run, started, asked } = speaker.start();
    openRound(speaker, run, started, asked!, { hash: 'e'.repeat(64) });
    await startAgent(coordinator.url);
    await eventually('its refusal', () => coordinator.submitted.length > 0);
    expect(coordinator.submitted).toMatchObject([{ type: 'refuse-round', payload: { code: 'LINEAGE' } }]);
    expect(coordinator.asked.filter((request) => request.startsWith('PUT'))).toEqual([]);
  });

  test('refuses a question in another shape than the plan leads to', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    const { run, started, asked } = speaker.start();
    openRound(speaker, run, started, asked!, { length: asked!.length + 1 });
    await startAgent(coordinator.url);
    await eventually('its refusal', () => coordinator.submitted.length > 0);
    expect(coordinator.submitted).toMatchObject([{ type: 'refuse-round', payload: { code: 'LINEAGE' } }]);
  });

  test('does not keep a model that does not follow from the sums', async () => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    const { run, started } = speaker.start();
    const forged = new TextEncoder().encode('{"weights":[0]}');
    coordinator.bodies.set('d'.repeat(64), forged);
    const { models } = await startAgent(coordinator.url);
    await eventually('the agent to follow', () => coordinator.asked.includes('follow'));
    speaker.say('run-finished', {
      ...{ run: runId.parse(run), parent: started, outcome: 'completed', reason: 'trust me' },
      ...{ artefact: 'd'.repeat(64), metrics: {} },
    });
    await aWhile();
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
        }),
    ],
    [
      'does not follow what was said before',
      (speaker) => {
        const { run, asked } = speaker.start();
        openRound(speaker, run, 'c'.repeat(64), asked!);
      },
    ],
  ];

  test.each(lies)('does nothing more for a coordinator whose word %s', async (_what, tell) => {
    const { coordinator, speaker } = await falseCoordinator();
    speaker.charter();
    tell(speaker);
    const { run, started, asked } = speaker.start(); // and then goes on as if nothing were the matter
    openRound(speaker, run, started, asked!);
    await startAgent(coordinator.url);
    await eventually('the agent to follow', () => coordinator.asked.includes('follow'));
    await aWhile();
    expect(coordinator.submitted).toEqual([]);
    expect(coordinator.asked.filter((request) => request.startsWith('PUT'))).toEqual([]);
    expect(coordinator.asked.filter((request) => request === 'connection')).toHaveLength(1);
  });

  test('that is closed stays away, also from a coordinator that has just hung up on it', async () => {
    const { coordinator } = await falseCoordinator('0'.repeat(64));
    const folder = await temporaryFolder('closed-agent');
    const seed = await createIdentity(folder, undefined);
    const yaml = agentYaml({ url: coordinator.url, charter, participant: 'a', dataFile: 'x.csv' });
    await writeFile(join(folder, 'agent.yaml'), yaml);
    await writeFile(join(folder, 'policy.yaml'), POLICY_YAML);
    const agent = await createAgent(folder, seed, {
      clock,
      log: createLogger('silent'),
      createComputer: (dataFile) => new LocalComputer(dataFile),
    });
    await eventually('the agent to come', () => coordinator.asked.includes('connection'));
    await aWhile();
    await agent.close();
    await new Promise((resolve) => setTimeout(resolve, 2500)); // it would have tried again after two seconds
    expect(coordinator.asked.filter((request) => request === 'connection')).toHaveLength(1);
  });
});

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
  });
}
