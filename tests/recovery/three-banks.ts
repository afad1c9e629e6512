/** A coordinator and three banks in this process, each of which may crash at a durable step of a run. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message, MessageType } from '#shared/protocol/messages.ts';
import { dealtFrom } from '../masked/dealt-from.ts';
import { HandDrivenBank } from '../masked/hand-driven-bank.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/opened.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';
import { partyIn, type Moment } from './crashes.ts';

export const IDS = ['a', 'b', 'c'];
/** `large`: masked, and the vectors of its training are uploaded before the messages that name them. */
export type Mode = 'plain' | 'masked' | 'large';

/** One place a party may crash at, for the `nth` time it comes there. */
export interface Crash {
  readonly party: 'coordinator' | 'agent';
  readonly step: string;
  readonly nth: number;
  readonly moment: Moment;
}

/** What a run came to, apart from when. */
export interface Outcome {
  readonly artefact: string;
  /** Of each type how many entries. */
  readonly entries: Partial<Record<MessageType, number>>;
  /** How often each bank has computed an answer. */
  readonly computed: readonly number[];
  /** Files the banks have kept of what is over. */
  readonly left: readonly string[];
}

/** What is wrong in a run apart from crashes. */
export type Trouble = 'none' | 'refuses' | 'cheats';

/** What is done to a consortium rather than in a run. */
export type Upkeep = 'rotate-log-key' | 'rotate-key' | 'incident' | 'revoke' | 'retention';

/** The bank that crashes, and the one that refuses once in a run with `refuses`. */
const CRASHING = 'b';

let plans = 0;

interface Participants {
  readonly participants: readonly { participant: string; status: string }[];
}

interface Whim {
  refuses: boolean;
  isSlow: boolean;
  readonly clock: { advance(ms: number): void };
}

export class ThreeBanks {
  readonly coordinator: TestCoordinator;
  private readonly agents: ReadonlyMap<string, TestAgent>;
  private readonly parties: Record<Crash['party'], ReturnType<typeof partyIn>>;
  private readonly computed: Map<string, number>;
  /** Whether the next question is one bank's to refuse, and whether its answers take long enough to be kept. */
  private readonly whim: Whim;
  /** How often each kind of upkeep was recorded. */
  private readonly done = new Map<Upkeep, number>();

  private constructor(
    coordinator: TestCoordinator,
    agents: ReadonlyMap<string, TestAgent>,
    computed: Map<string, number>,
    whim: Whim,
  ) {
    this.coordinator = coordinator;
    this.agents = agents;
    this.computed = computed;
    this.whim = whim;
    this.parties = {
      coordinator: partyIn(coordinator.dataDir, coordinator.clock),
      agent: partyIn(agents.get(CRASHING)!.folder),
    };
  }

  static async start(): Promise<ThreeBanks> {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    const computed = new Map<string, number>();
    const whim: Whim = { refuses: false, isSlow: false, clock: coordinator.clock };
    const join = (id: string): Promise<TestAgent> =>
      TestAgent.join(coordinator, id, {
        createComputer: (dataFile) => countingComputer(dataFile, id, computed, whim),
      });
    const agents = await Promise.all(IDS.map(join));
    const banks = new ThreeBanks(coordinator, new Map(agents.map((a) => [a.id, a])), computed, whim);
    await coordinator.restart(); // from here on its store is known by its clock
    return banks;
  }

  /**
   * One run, with these crashes one after the other.
   * @param trouble a bank that refuses one question, or a fourth that deals a share which `b` cannot open
   */
  async carryOut(mode: Mode, crashes: readonly Crash[] = [], trouble: Trouble = 'none'): Promise<Outcome> {
    this.computed.clear();
    this.whim.refuses = trouble === 'refuses';
    this.whim.isSlow = crashes.some(({ step }) => step === 'answer in the outbox');
    const name = `run ${++plans}`;
    const cheat = trouble === 'cheats' ? await cheatAmong(this.coordinator, `x${plans}`) : undefined;
    const plan: ProposedPlan = {
      ...tinyPlan(cheat === undefined ? IDS : [...IDS, cheat.id], {
        ...{ name, seed: 'recovery', retries: 1, minimum: IDS.length },
        ...(mode === 'large' ? { hidden: [140, 140] } : {}),
      }),
      aggregation: mode === 'plain' ? 'plain' : 'masked',
    };
    let crashed = this.arm(crashes[0]);
    const proposing = this.propose(plan);
    const cheating = proposing.then((run) => cheat?.takePartIn(run));
    cheating.catch(() => {}); // proposing is looked at below
    for (const [i, crash] of crashes.entries()) {
      await within(crashed, `${crash.party} at "${crash.step}"`);
      await this.restart(crash.party, () => (crashed = this.arm(crashes[i + 1])));
    }
    const run = await proposing;
    await run.watch();
    const end = await run.finished();
    if (end.outcome !== 'completed') throw new Error(`the run ${end.outcome}: ${end.reason}`);
    const agents = [...this.agents.values()];
    await Promise.all(agents.map((agent) => agent.model(end.artefact!)));
    // an earlier run seen again after a restart may have brought the same model: wait for the tidying itself
    const leftovers = async (): Promise<string[]> => (await Promise.all(agents.map(leftBehind))).flat();
    const left = await eventually('nothing to be left', async () =>
      (await leftovers()).length === 0 ? [] : undefined,
    ).catch(leftovers);
    // the next run ends with the same model, and must bring it again
    await Promise.all(agents.map(({ folder }) => rm(join(folder, 'models', `${end.artefact!}.json`))));
    return {
      artefact: end.artefact!,
      entries: countTypes(run),
      computed: IDS.map((id) => this.computed.get(id) ?? 0),
      left,
    };
  }

  /** One more bank, as operator and bank do it: what failed is done again. */
  async join(
    id: string,
    { type, moment }: { type: 'invite' | 'enrol' | 'admit'; moment: Moment },
  ): Promise<void> {
    const { coordinator } = this;
    const folder = await temporaryFolder(`joins-${id}`);
    const crashed = this.crashOnce(type, moment);
    const again = <T>(what: string, attempt: () => Promise<T>): Promise<T> => this.again(what, attempt);
    const { code } = await again('an invitation', () =>
      coordinator.operator.post<{ code: string }>('/v1/invitations', {
        participant: id,
        url: coordinator.url,
      }),
    );
    const { fingerprint } = await again('the enrolment', () =>
      enrolAgent(folder, code, join(folder, 'none.csv'), undefined),
    );
    const statusOf = async (): Promise<string | undefined> => {
      const { participants } = await coordinator.operator.get<Participants>('/v1/participants');
      return participants.find(({ participant }) => participant === id)?.status;
    };
    await again('the admission', async () => {
      if ((await statusOf()) === 'admitted') return true;
      await coordinator.operator.post(`/v1/participants/${id}/admission`, { fingerprint });
      return true;
    });
    await within(crashed, `coordinator at "entry ${type}"`);
    await again('the bank to be admitted', async () => (await statusOf()) === 'admitted');
  }

  /** Something an operator or a bank does to the consortium: what failed is done again, unless it is done. */
  async upkeep(type: Upkeep, moment: Moment): Promise<void> {
    const { coordinator } = this;
    const { act, isDone } = await this.task(type);
    expect(await isDone()).toBe(false);
    const crashed = this.crashOnce(type, moment);
    await this.again(`"${type}"`, async () => {
      if (!(await isDone())) await act();
      return isDone();
    });
    await within(crashed, `coordinator at "entry ${type}"`);
    expect(await this.again(`"${type}" to have lasted`, isDone)).toBe(true);
    if (type === 'rotate-key') await this.restart('agent', () => {}); // it runs with the keys it started with
    const entries = (await coordinator.ledger()).filter((message) => message.type === type);
    expect(entries).toHaveLength((this.done.get(type) ?? 0) + 1);
    this.done.set(type, entries.length);
  }

  private async task(type: Upkeep): Promise<{ act: () => Promise<unknown>; isDone: () => Promise<boolean> }> {
    const { coordinator } = this;
    const recorded = async (is: (message: Message) => boolean): Promise<boolean> =>
      (await coordinator.ledger()).some(is);
    const post = (path: string, body: unknown): Promise<unknown> => coordinator.operator.post(path, body);
    switch (type) {
      case 'rotate-log-key': {
        const key = async (): Promise<string> =>
          (await coordinator.operator.get<{ logKey: string }>('/v1/charter')).logKey;
        const before = await key();
        return { act: () => post('/v1/ledger/key', {}), isDone: async () => (await key()) !== before };
      }
      case 'rotate-key': {
        const { folder } = this.agents.get(CRASHING)!;
        const key = async (): Promise<string> =>
          toBase64Url(publicKeyOf((await openAgentKeys(folder, undefined)).identity));
        const before = await key();
        return {
          act: () => rotateAgentKeys(folder, undefined),
          isDone: async () => (await key()) !== before,
        };
      }
      case 'incident': {
        const reason = `moved to another building, ${++plans}`;
        return {
          act: () => post('/v1/incidents', { reason }),
          isDone: () =>
            recorded((message) => message.type === 'incident' && message.payload.reason === reason),
        };
      }
      case 'revoke': {
        const { id } = await TestBank.join(coordinator, `leaves-${++plans}`);
        return {
          act: () => post(`/v1/participants/${id}/revocation`, { reason: 'it left' }),
          isDone: () =>
            recorded((message) => message.type === 'revoke' && message.payload.participant === id),
        };
      }
      case 'retention': {
        await this.carryOut('plain');
        coordinator.clock.advance(1000);
        const bodies = (): number =>
          readdirSync(join(coordinator.dataDir, 'bodies'), { recursive: true }).length;
        const before = bodies();
        return {
          act: () => post('/v1/retention', { keepDays: 0 }),
          isDone: () => Promise.resolve(bodies() < before),
        };
      }
    }
  }

  /** The coordinator crashes when it is about to persist, or has persisted, an entry of this type, and is started again. */
  private crashOnce(type: MessageType, moment: Moment): Promise<void> {
    const crashed = this.arm({ party: 'coordinator', step: `entry ${type}`, nth: 1, moment });
    void crashed.then(() => this.restart('coordinator', () => {}));
    return crashed;
  }

  /** @returns the first outcome that is not an error */
  private again<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    return eventually(what, () =>
      (this.coordinator.running ? attempt() : undefined)?.catch(() => undefined),
    ) as Promise<T>;
  }

  /** Everything that has ever been recorded, judged by an auditor. */
  async audit() {
    return auditBundle(await this.coordinator.bundle(), this.coordinator.charter);
  }

  /** An operator whose command failed looks whether it did before trying again. */
  private propose(plan: ProposedPlan): Promise<TestRun> {
    const { coordinator } = this;
    return eventually('the proposal', async () => {
      try {
        const { runs } = await coordinator.operator.get<{ runs: { run: string; name: string }[] }>(
          '/v1/runs',
        );
        const there = runs.find(({ name }) => name === plan.name);
        return there === undefined
          ? await TestRun.propose(coordinator, plan)
          : await TestRun.of(coordinator, await coordinator.operator.run(there.run));
      } catch {
        return undefined; // it is being started again
      }
    });
  }

  private arm(crash: Crash | undefined): Promise<void> {
    return crash === undefined
      ? Promise.resolve()
      : this.parties[crash.party].arm(crash.step, crash.moment, crash.nth);
  }

  private async restart(party: Crash['party'], whileStopped: () => void): Promise<void> {
    const who = party === 'coordinator' ? this.coordinator : this.agents.get(CRASHING)!;
    await this.parties[party].revive(who.stop());
    whileStopped();
    await who.start();
  }
}

/** A bank whose second share nobody but the third could open; it goes away with the coordinator's first crash. */
async function cheatAmong(coordinator: TestCoordinator, id: string): Promise<HandDrivenBank> {
  const cheat = await HandDrivenBank.join(coordinator, id);
  cheat.cheating = {
    deal: (bank, session) =>
      dealtFrom(bank, session, (secrets, keys) => {
        keys[1] = keys[2]!;
        return secrets;
      }),
  };
  return cheat;
}

/** Files that are of no use when a run is over, above all keys. */
async function leftBehind({ folder }: TestAgent): Promise<string[]> {
  const folders = ['outbox', 'sessions'].map((name) => join(folder, 'state', name));
  return (await Promise.all(folders.map((path) => readdir(path).catch(() => [])))).flat();
}

function countingComputer(
  dataFile: string,
  id: string,
  computed: Map<string, number>,
  whim: Whim,
): RunComputer {
  const computer = stubComputer(dataFile, id);
  const answer = computer.answer.bind(computer);
  computer.answer = (...args) => {
    computed.set(id, (computed.get(id) ?? 0) + 1);
    if (whim.isSlow && id === CRASHING) whim.clock.advance(1000);
    if (!whim.refuses || id !== CRASHING) return answer(...args);
    whim.refuses = false;
    return Promise.reject(new FederationError('POLICY', 'not today'));
  };
  return computer;
}

function countTypes(run: TestRun): Outcome['entries'] {
  const counts: Outcome['entries'] = {};
  for (const { message } of run.entries as { message: Message }[])
    counts[message.type] = (counts[message.type] ?? 0) + 1;
  return counts;
}

async function within(crashed: Promise<void>, where: string): Promise<void> {
  let isThere = false;
  void crashed.then(() => (isThere = true));
  await eventually(`the crash of ${where}`, () => isThere);
}
