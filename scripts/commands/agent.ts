/** `tallystick agent …` */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createAgent } from '#participant-agent/agent.ts';
import { systemClock } from '#participant-agent/clock.ts';
import { readAgentConfig } from '#participant-agent/config.ts';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { createLogger, type Logger } from '#participant-agent/logger.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import { AgentState, CONSIDERING } from '#participant-agent/state/agent-state.ts';
import { isAlive } from '#participant-agent/state/process-alive.ts';
import { ThreadComputer } from '#participant-agent/training/thread-computer.ts';
import { bytes, EXIT, paint, print, printJson, say, table } from '#scripts/commands/output.ts';
import { collectLessOften } from '#scripts/commands/process-memory.ts';
import { untilStopped } from '#scripts/commands/process-life.ts';
import { runBeginning } from '#scripts/operator/run-beginning.ts';
import { secretIn } from '#scripts/operator/secret-argument.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface AgentOptions {
  readonly folder: string;
  readonly json?: boolean;
}

const passphrase = (): string | undefined => process.env['TALLYSTICK_PASSPHRASE'];

/** @param options.data from where the command is given; the agent keeps the whole path */
export async function enrol(code: string, options: AgentOptions & { data: string }): Promise<number> {
  const dataFile = resolve(options.data);
  const enrolment = await enrolAgent(options.folder, await secretIn(code), dataFile, passphrase());
  // the rows may come later; the agent needs them when a run is proposed
  if (!existsSync(dataFile))
    say(
      `  warning: ${dataFile} does not exist yet; agent.yaml says where the agent looks for the bank's applicants`,
    );
  if (options.json === true) {
    printJson({ ...enrolment, dataFile });
    return EXIT.ok;
  }
  print(`Enrolled as ${enrolment.participant}. Files are in ${enrolment.folder}.`);
  print(`\n  Fingerprint  ${paint('bold', enrolment.fingerprint)}\n`);
  print('Read it to the operator over the phone; they admit the bank with');
  print(`  tallystick bank admit ${enrolment.participant} ${enrolment.fingerprint}`);
  print(`Then look at agent.yaml and policy.yaml and run: tallystick agent start --folder ${options.folder}`);
  return EXIT.ok;
}

export async function startAgent(
  options: AgentOptions & { logLevel?: string; stopWithParent?: boolean },
): Promise<number> {
  collectLessOften('agent');
  const { logLevel } = await readAgentConfig(options.folder);
  const log = createLogger(options.logLevel ?? logLevel);
  const agent = await createAgent(options.folder, await openAgentKeys(options.folder, passphrase()), {
    clock: systemClock,
    log,
    createComputer: (dataFile) => new ThreadComputer(dataFile),
  });
  // before anything that takes time: a signal that comes meanwhile must end the agent in order too
  const stopped = untilStopped(options.stopWithParent === true, agent.broken);
  log.info({ participant: agent.participant }, 'agent started');
  if (options.json === true) printJson({ ready: true, participant: agent.participant });
  await Promise.race([sayEngine(log), stopped]);
  const code = await stopped;
  await agent.close();
  return code;
}

/** Which engine will train: asked of a short-lived thread, because it takes memory and we may wait for days. */
async function sayEngine(log: Logger): Promise<void> {
  const probe = new ThreadComputer('');
  try {
    log.info({ engine: await probe.describeEngine() }, 'training engine');
  } catch (error) {
    log.error({ err: error }, 'no training engine can be loaded: this agent cannot train networks');
  } finally {
    await probe.dispose();
  }
}

/** @throws FederationError CONFIG when no agent is in the folder: nothing is made there then */
async function openState(folder: string): Promise<AgentState> {
  await readAgentConfig(folder);
  return AgentState.open(folder);
}

export async function agentStatus(options: AgentOptions): Promise<number> {
  const state = await openState(options.folder);
  const status = await state.status();
  const models = await state.models();
  const isRunning = status !== undefined && isAlive(status.pid);
  if (options.json === true) {
    const last = status ?? { connected: false, runs: [] };
    printJson({ ...last, connected: isRunning && last.connected, running: isRunning, models });
    return status === undefined ? EXIT.incomplete : EXIT.ok;
  }
  if (status === undefined) {
    print('This agent has not run yet. Start it with: tallystick agent start');
    return EXIT.incomplete;
  }
  const was = status.connected ? 'connected' : 'not connected';
  if (!isRunning)
    print(
      `${paint('red', '○ not running')}: process ${status.pid} is gone. It was ${was} since ${status.since}`,
    );
  else
    print(
      `${status.connected ? paint('green', '● connected') : paint('yellow', '○ not connected')}  since ${status.since}`,
    );
  if (status.runs.length > 0) {
    print('');
    print(
      table(
        ['run', 'name', 'phase', 'this bank'],
        status.runs.map((run) => [run.run.slice(0, 12), run.name, run.phase, run.detail]),
      ),
    );
  }
  print(
    `\n${models.length === 0 ? 'No models yet.' : `Models:\n${models.map((path) => `  ${path}`).join('\n')}`}`,
  );
  return EXIT.ok;
}

export async function rotateKey(options: AgentOptions): Promise<number> {
  const rotation = await rotateAgentKeys(options.folder, passphrase());
  if (options.json === true) {
    printJson(rotation);
    return EXIT.ok;
  }
  print(
    `${rotation.participant} has new keys; the old ones signed them over and are worth nothing any more.`,
  );
  print(`\n  Fingerprint  ${paint('bold', rotation.fingerprint)}\n`);
  print('Start the agent again. Back up the folder "keys" as before.');
  return EXIT.ok;
}

export async function decideConsent(
  run: string,
  decision: string,
  options: AgentOptions & { reason: string },
): Promise<number> {
  if (decision !== 'grant' && decision !== 'refuse') {
    throw new FederationError('USAGE', `expected "grant" or "refuse", got "${decision}"`);
  }
  const state = await openState(options.folder);
  const runs = (await state.status())?.runs ?? [];
  const { run: id, phase, detail } = runBeginning(runs, run, 'tallystick agent status');
  if (phase !== 'proposed' || detail !== CONSIDERING)
    throw new FederationError(
      'STATE',
      `run ${id.slice(0, 12)} does not wait for a decision of this bank: it is ${phase}, ${detail}`,
    );
  await state.keepDecision(id, {
    decision: decision === 'grant' ? 'granted' : 'refused',
    reason: options.reason,
  });
  if (options.json === true) printJson({ run: id, decision });
  else print(`Decision "${decision}" left for run ${id.slice(0, 12)}; the running agent signs and sends it.`);
  return EXIT.ok;
}

export async function showEgress(options: AgentOptions & { run?: string }): Promise<number> {
  const records = (await (await openState(options.folder)).egress()).filter(
    (record) => options.run === undefined || record.run?.startsWith(options.run) === true,
  );
  if (options.json === true) {
    printJson({ items: records });
    return EXIT.ok;
  }
  if (records.length === 0) {
    print('Nothing has left this bank.');
    return EXIT.ok;
  }
  print(
    table(
      ['when', 'what', 'run', 'round', 'bytes', 'detail'],
      records.map((r) => [
        r.time,
        r.what,
        r.run?.slice(0, 12) ?? '',
        r.round === undefined ? '' : String(r.round),
        bytes(r.bytes),
        r.detail,
      ]),
      [3, 4],
    ),
  );
  const total = records.reduce((sum, record) => sum + record.bytes, 0);
  print(
    `\n${records.length} items, ${bytes(total)} in all. Not listed: heartbeats and progress reports (a stage and a fraction), which carry nothing of the data.`,
  );
  return EXIT.ok;
}
