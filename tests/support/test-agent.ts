/** A real participant agent inside the test process, enrolled and admitted. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAgent, type Agent } from '#participant-agent/agent.ts';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { createLogger, type Logger } from '#participant-agent/logger.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { LocalComputer, type RunComputer } from '#participant-agent/training/run-computer.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { eventually } from './eventually.ts';
import { closeLater, temporaryFolder } from './opened.ts';
import { stubComputer } from './stub-computer.ts';
import type { CoordinatorUnderTest } from './test-bank.ts';
import { tinyApplicants, writeApplicants, type Applicant } from './tiny-bank-data.ts';

export interface TestAgentOptions {
  /** `stub` skips training; `real` trains. */
  readonly answers?: 'stub' | 'real';
  readonly applicants?: readonly Applicant[];
  /** Where it dials, if not the coordinator itself. */
  readonly url?: string;
  readonly minimumCohort?: number;
  /** 0, if not said: most tests have the same rows at all banks, and several runs of the same banks. */
  readonly fewestNewRows?: number;
  readonly log?: Logger;
  /** Another than the coordinator's. */
  readonly clock?: Clock;
  readonly createComputer?: (dataFile: string) => RunComputer;
}

export class TestAgent {
  readonly id: string;
  readonly folder: string;
  private readonly coordinator: CoordinatorUnderTest;
  private readonly options: TestAgentOptions;
  private running: Agent | undefined;

  private constructor(
    coordinator: CoordinatorUnderTest,
    id: string,
    folder: string,
    options: TestAgentOptions,
  ) {
    this.coordinator = coordinator;
    this.id = id;
    this.folder = folder;
    this.options = options;
  }

  static async join(
    coordinator: CoordinatorUnderTest,
    id: string,
    options: TestAgentOptions = {},
  ): Promise<TestAgent> {
    const folder = await temporaryFolder(`agent-${id}`);
    const dataFile = join(folder, 'applicants.csv');
    const applicants = tinyApplicants(60, options.answers === 'real' ? id : 'anybody');
    await writeApplicants(dataFile, options.applicants ?? applicants);
    const { operator, url } = coordinator;
    const { code } = await operator.post<{ code: string }>('/v1/invitations', {
      participant: id,
      url: options.url ?? url,
    });
    const { fingerprint } = await enrolAgent(folder, code, dataFile, undefined);
    await operator.post(`/v1/participants/${id}/admission`, { fingerprint });
    const policy = policyYaml({
      consent: 'automatic',
      aggregation: ['masked', 'plain'],
      minimumCohort: options.minimumCohort ?? 2,
      fewestNewRows: options.fewestNewRows ?? 0,
    });
    await writeFile(join(folder, 'policy.yaml'), policy);
    const agent = new TestAgent(coordinator, id, folder, options);
    await agent.start();
    closeLater(() => agent.stop());
    return agent;
  }

  static joinAll(
    coordinator: CoordinatorUnderTest,
    ids: readonly string[],
    options: TestAgentOptions = {},
  ): Promise<TestAgent[]> {
    return Promise.all(ids.map((id) => TestAgent.join(coordinator, id, options)));
  }

  async start(): Promise<void> {
    const { answers = 'stub', createComputer } = this.options;
    const local = (dataFile: string): RunComputer =>
      answers === 'stub' ? stubComputer(dataFile, this.id) : new LocalComputer(dataFile);
    this.running = await createAgent(this.folder, await openAgentKeys(this.folder, undefined), {
      clock: this.options.clock ?? this.coordinator.clock,
      log: this.options.log ?? createLogger('silent'),
      createComputer: createComputer ?? local,
    });
  }

  /** Why it cannot go on, once it cannot. */
  get broken(): Promise<Error> {
    return this.running!.broken;
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    await running?.close();
  }

  /** The model of this root, once the agent has kept it, which is a moment after the run has ended. */
  async model(root: string): Promise<Uint8Array> {
    const path = join(this.folder, 'models', `${root}.json`);
    await eventually(`the model ${path}`, () => existsSync(path));
    return readFile(path);
  }

  state(): Promise<AgentState> {
    return AgentState.open(this.folder);
  }
}
