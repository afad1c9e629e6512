/** A real agent, with its own folder and socket, whose log a test can read and which can be started again. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { createAgent, type Agent } from '#participant-agent/agent.ts';
import { agentYaml } from '#participant-agent/config.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { Arrivals, type MaliciousCoordinator } from '../support/malicious-coordinator.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { witnessSeedOf } from '../support/witness-keys.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { tinyApplicants, writeApplicants } from '../support/tiny-bank-data.ts';

interface LogRecord {
  readonly bank?: string;
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
  readonly err?: { readonly code?: string; readonly message?: string };
}

const FATAL = 60;

export interface AgentOptions {
  /** Fingerprints of other banks in its policy. */
  readonly peers?: Readonly<Record<string, string>>;
  readonly minimumCohort?: number;
  /** Who is admitted; all four banks if not said. */
  readonly members?: readonly string[];
  /** Whether it checks every sum, also of large vectors. */
  readonly verify?: 'full' | 'delegate';
}

export class AgentUnderAttack {
  readonly id: string;
  readonly seed: Uint8Array;
  readonly log = new Arrivals<LogRecord>();
  private readonly folder: string;
  private running: Agent | undefined;
  /** Where its log stood when it was last started. */
  private startedAt = 0;

  private constructor(id: string, folder: string) {
    this.id = id;
    this.folder = folder;
    this.seed = sha256(utf8(`attacks/identity/${id}`));
  }

  static async start(
    coordinator: MaliciousCoordinator,
    id: string,
    { peers = {}, minimumCohort = 3, verify = 'delegate' }: AgentOptions,
  ): Promise<AgentUnderAttack> {
    const folder = await temporaryFolder(`agent-${id}`);
    await writeApplicants(join(folder, 'applicants.csv'), tinyApplicants(60, 'anybody'));
    const { url, charterHash: charter } = coordinator;
    const yaml = agentYaml({ url, charter, participant: id, dataFile: 'applicants.csv' });
    await writeFile(join(folder, 'agent.yaml'), yaml);
    const policy = policyYaml({ consent: 'automatic', minimumCohort, fewestNewRows: 0 })
      .replace('peers: {}', `peers: ${JSON.stringify(peers)}`)
      .replace('verify: delegate', `verify: ${verify}`);
    await writeFile(join(folder, 'policy.yaml'), policy);
    const agent = new AgentUnderAttack(id, folder);
    await agent.start();
    closeLater(() => agent.stop());
    return agent;
  }

  get identityKey(): string {
    return toBase64Url(publicKeyOf(this.seed));
  }

  async start(): Promise<void> {
    this.startedAt = this.log.all.length;
    const log = pino(
      { level: 'debug' },
      { write: (line: string) => this.log.push(JSON.parse(line) as LogRecord) },
    );
    this.running = await createAgent(
      this.folder,
      { identity: this.seed, witness: witnessSeedOf(this.id) },
      {
        clock: { now: () => Date.now() },
        log,
        createComputer: (dataFile) => stubComputer(dataFile, this.id),
      },
    );
  }

  /** As if its memory of the ledger's heads were lost: its promises alone must hold. */
  async forgetHeads(): Promise<void> {
    for (const name of ['witness.note', 'witness.flushed.note'])
      await rm(join(this.folder, 'state', name), { force: true });
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    await running?.close();
  }

  /** The code with which it stops following the coordinator. */
  async brokenOff(): Promise<string | undefined> {
    return (await this.log.until('the agent to break off', ({ level }) => level === FATAL)).code;
  }

  /** The code with which it leaves the run. */
  async leftRun(): Promise<string | undefined> {
    return (await this.log.until('the agent to leave the run', isLeaving)).err?.code;
  }

  /** Resolves when it has left the run or broken off since it was last started. */
  async gone(): Promise<void> {
    const isOver = (record: LogRecord): boolean => record.level === FATAL || isLeaving(record);
    await this.log.until('the agent to go', isOver, this.startedAt);
  }
}

function isLeaving({ msg }: LogRecord): boolean {
  return msg === 'this agent leaves the run';
}
