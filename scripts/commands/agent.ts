/** `tallystick agent …` */
import { createAgent } from '#participant-agent/agent.ts';
import { systemClock } from '#participant-agent/clock.ts';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { createLogger, type Logger } from '#participant-agent/logger.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { ThreadComputer } from '#participant-agent/training/thread-computer.ts';
import { bytes, EXIT, paint, print, printJson, table } from '#scripts/commands/output.ts';
import { untilStopped } from '#scripts/commands/process-life.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

export interface AgentOptions {
  readonly folder: string;
  readonly json?: boolean;
}

const passphrase = (): string | undefined => process.env['TALLYSTICK_PASSPHRASE'];

export async function enrol(code: string, options: AgentOptions & { data: string }): Promise<number> {
  const enrolment = await enrolAgent(options.folder, code, options.data, passphrase());
  if (options.json === true) {
    printJson(enrolment);
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
  options: AgentOptions & { logLevel: string; stopWithParent?: boolean },
): Promise<number> {
  const log = createLogger(options.logLevel);
  const agent = await createAgent(options.folder, await openAgentKeys(options.folder, passphrase()), {
    clock: systemClock,
    log,
    createComputer: (dataFile) => new ThreadComputer(dataFile),
  });
  log.info({ participant: agent.participant }, 'agent started');
  await sayEngine(log);
  const code = await untilStopped(options.stopWithParent === true, new Promise<Error>(() => {}));
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

export async function agentStatus(options: AgentOptions): Promise<number> {
  const state = await AgentState.open(options.folder);
  const status = await state.status();
  const models = await state.models();
  if (options.json === true) {
    printJson({ ...(status ?? { connected: false, runs: [] }), models });
    return status === undefined ? EXIT.incomplete : EXIT.ok;
  }
  if (status === undefined) {
    print('This agent has not run yet. Start it with: tallystick agent start');
    return EXIT.incomplete;
  }
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
  const state = await AgentState.open(options.folder);
  const runs = (await state.status())?.runs ?? [];
  const found = runs.filter((candidate) => candidate.run.startsWith(run));
  const id = hash.safeParse(run).success ? run : found.length === 1 ? found[0]!.run : undefined;
  if (id === undefined) {
    throw new FederationError(
      'NOT_FOUND',
      `no single run begins with "${run}"; see "tallystick agent status"`,
    );
  }
  await state.keepDecision(id, {
    decision: decision === 'grant' ? 'granted' : 'refused',
    reason: options.reason,
  });
  if (options.json === true) printJson({ run: id, decision });
  else print(`Decision "${decision}" left for run ${id.slice(0, 12)}; the running agent signs and sends it.`);
  return EXIT.ok;
}

export async function showEgress(options: AgentOptions & { run?: string }): Promise<number> {
  const records = (await (await AgentState.open(options.folder)).egress()).filter(
    (record) => options.run === undefined || record.run?.startsWith(options.run) === true,
  );
  if (options.json === true) {
    printJson(records);
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
