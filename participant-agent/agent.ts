/** The agent, put together: identity → connection → runs. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { readAgentConfig, type AgentConfig } from '#participant-agent/config.ts';
import type { Logger } from '#participant-agent/logger.ts';
import { PolicyFile } from '#participant-agent/policy/policy-file.ts';
import type { AgentKeys } from '#participant-agent/keys.ts';
import { RunFollower } from '#participant-agent/rounds/follow-runs.ts';
import { ledgerOf, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { KeyVault } from '#participant-agent/state/key-vault.ts';
import { QueryLedger } from '#participant-agent/state/query-ledger.ts';
import { AgentState, type ConnectionState } from '#participant-agent/state/agent-state.ts';
import { assertDataVersion } from '#shared/platform/files/data-version.ts';
import { lockFolder, type FolderLock } from '#shared/platform/files/folder-lock.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { askText } from '#participant-agent/transport/ask-coordinator.ts';
import { BodyClient } from '#participant-agent/transport/body-client.ts';
import { Connection } from '#participant-agent/transport/connection.ts';
import { trustOf } from '#participant-agent/transport/trust.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { keepForkProof } from '#participant-agent/witness/fork-evidence.ts';
import { Witness } from '#participant-agent/witness/witness.ts';
import { emptyFederation } from '#shared/ledger/federation-state.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** The first of several changes is told this soon by `agent status` … */
const STATUS_SOON_MS = 100;
/** … and what follows at most so often: a round of a small model makes many. */
const STATUS_EVERY_MS = 1000;

export interface AgentDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** One for each run. */
  readonly createComputer: (dataFile: string) => RunComputer;
}

export interface Agent {
  readonly participant: string;
  /** Resolves when it cannot go on: close it, and start it again. */
  readonly broken: Promise<Error>;
  close(): Promise<void>;
}

/**
 * @param folder where `agent.yaml`, `policy.yaml` and state are
 * @param keys the bank's keys, opened
 * @throws FederationError CONFIG, STORAGE when another process works in the folder or its state is damaged
 */
export async function createAgent(folder: string, keys: AgentKeys, deps: AgentDependencies): Promise<Agent> {
  const config = await readAgentConfig(folder);
  const policy = PolicyFile.open(join(folder, 'policy.yaml'), deps.log);
  // before any state is read: two agents would each know only their own promises
  const lock = await lockFolder(join(folder, 'lock'), deps.clock);
  try {
    await assertDataVersion(folder, 'agent');
    return await agentIn(folder, lock, config, policy, keys, deps);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function agentIn(
  folder: string,
  lock: FolderLock,
  config: AgentConfig,
  policy: PolicyFile,
  keys: AgentKeys,
  deps: AgentDependencies,
): Promise<Agent> {
  const { clock, log } = deps;
  const { identity: seed } = keys;
  const state = await AgentState.open(folder);
  const queries = await QueryLedger.open(folder);
  const { url, charter } = config.coordinator;
  const way = wayTo(url, await trustOf(folder, config));

  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // every request of every run listens
  let breakDown: (error: Error) => void = () => {};
  const broken = new Promise<Error>((resolve) => (breakDown = resolve));
  void lock.lost.then(stopAtOnce);
  const federation = emptyFederation();
  const witness = await Witness.open(keys.witness, state);
  const timeNow = (): string => new Date(clock.now()).toISOString();
  let line: ConnectionState = { connected: false, since: timeNow() };
  const connection = new Connection({
    way,
    charter,
    seed,
    clock,
    log,
    participant: config.participant,
    position: () => witness.tree.size,
    onHead: (head) => guarded(() => follower.takeHead(head)),
    onItem: (item) => guarded(() => follower.take(item)),
    onFollowed: () => follower.assertNothingLost(),
    onConnected: (connected) => {
      line = { connected, since: timeNow() };
      saveStatus();
    },
    onTrouble: (reason) => {
      line = { ...line, reason };
      saveStatus();
    },
  });
  const bodies = new BodyClient({ way, log, clock, token: () => connection.httpToken(stopping.signal) });
  const context: AgentContext = {
    config,
    get policy() {
      return policy.current();
    },
    seed,
    clock,
    log,
    state,
    federation,
    witness,
    connection,
    bodies,
    vault: new KeyVault(
      join(folder, 'state/sessions'),
      seed,
      (length) => new Uint8Array(randomBytes(length)),
    ),
    queries,
    createComputer: deps.createComputer,
    signal: stopping.signal,
  };
  const follower = new RunFollower(context, saveStatus);

  /**
   * What the coordinator is to blame for is a `FederationError`: it said something no honest one says, and nothing that
   * follows can be trusted either. All else is ours, a full disk above all, and may be over when we are started again.
   */
  function guarded(take: () => void): void {
    try {
      take();
    } catch (error) {
      if (!(error instanceof FederationError) || error.code === 'STORAGE') return stopAtOnce(error);
      const { code } = error;
      log.fatal({ code, err: error }, 'the coordinator broke the protocol; this agent stops following it');
      connection.close();
      if (code === 'FORK') void keepEvidence();
    }
  }

  /** The entry that was not taken is shown again after a restart. */
  function stopAtOnce(cause: unknown): void {
    const error =
      cause instanceof FederationError
        ? cause
        : new FederationError(
            'STORAGE',
            `the agent cannot go on: ${describeError(cause)}; see to it and start it again`,
            {
              cause,
            },
          );
    log.fatal({ code: error.code, err: cause }, 'this agent cannot go on and stops');
    stopping.abort(); // nothing more is signed
    connection.close();
    breakDown(error);
  }

  /** Best effort: the witnessed note is evidence enough for whoever has a note of the other history. */
  async function keepEvidence(): Promise<void> {
    try {
      const get = (path: string): Promise<string> => askText(way, path.replace(/^\//, ''));
      const { file, isChecked } = await keepForkProof(folder, witness, ledgerOf(context), get);
      log.fatal(
        { file },
        isChecked
          ? 'a proof that the ledger was rewritten is kept; anybody can check it'
          : 'two heads that contradict each other are kept; one is by a key of the ledger that this bank has not seen, so an auditor who has the ledger must check it',
      );
    } catch (error) {
      log.error({ err: error }, 'the coordinator gives no proof of the fork; keep state/witness.note');
    }
  }

  let saving: NodeJS.Timeout | undefined;
  let isStale = false;
  function saveStatus(): void {
    isStale = true;
    saving ??= setTimeout(saveIfStale, STATUS_SOON_MS).unref();
  }
  function saveIfStale(): void {
    saving = undefined;
    if (!isStale) return;
    isStale = false;
    saving = setTimeout(saveIfStale, STATUS_EVERY_MS).unref();
    void writeStatus();
  }
  /** One after the other: the last is the one that stays. */
  let writing: Promise<void> = Promise.resolve();
  function writeStatus(): Promise<void> {
    writing = writing
      .then(() => {
        const runs = follower.followed.map(({ run, detail }) => ({
          run: run.id,
          name: run.plan.name,
          phase: run.phase.name,
          detail,
          ...(run.phase.name === 'finished' && run.phase.result.artefact !== undefined
            ? { model: run.phase.result.artefact }
            : {}),
        }));
        return state.writeStatus({ ...line, runs });
      })
      .catch((error: unknown) => {
        log.warn({ err: error }, 'the status file cannot be written');
      });
    return writing;
  }

  connection.connect();
  saveStatus(); // also of an agent that nobody lets in
  return {
    participant: config.participant,
    broken,
    async close() {
      try {
        stopping.abort();
        connection.close();
        await follower.close();
        bodies.close();
        if (line.connected) line = { connected: false, since: timeNow() };
        clearTimeout(saving);
        await writeStatus();
      } finally {
        await lock.release();
      }
      log.info('agent stopped');
    },
  };
}
