/** `tallystick agent …` */
import { existsSync } from 'node:fs';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { createAgent } from '#participant-agent/agent.ts';
import { systemClock } from '#shared/platform/clock.ts';
import { readAgentConfig } from '#participant-agent/config.ts';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { createLogger, type Logger } from '#participant-agent/logger.ts';
import { readPolicy } from '#participant-agent/policy/policy-file.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import { AgentState, type AgentStatus } from '#participant-agent/state/agent-state.ts';
import { CONSIDERING } from '#shared/participant/participant.ts';
import { isAlive } from '#shared/platform/files/process-alive.ts';
import { ThreadComputer } from '#participant-agent/training/thread-computer.ts';
import { bytes, EXIT, paint, painted, print, printJson, say, table } from '#scripts/commands/output.ts';
import { collectLessOften } from '#scripts/commands/process-memory.ts';
import { untilStopped } from '#scripts/commands/process-life.ts';
import { runBeginning } from '#scripts/operator/run-beginning.ts';
import { secretIn } from '#scripts/operator/secret-argument.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export interface AgentOptions {
  readonly folder: string;
  readonly json?: boolean;
}

const passphrase = (): string | undefined => process.env['TALLYSTICK_PASSPHRASE'];

/** @param options.data from where the command is given; the agent keeps the whole path */
export async function enrol(
  code: string,
  options: AgentOptions & { data?: string; caFile?: string },
): Promise<number> {
  const { NODE_EXTRA_CA_CERTS: extra } = process.env;
  const enrolment = await enrolAgent(
    options.folder,
    await secretIn(code),
    options.data === undefined ? undefined : resolve(options.data),
    passphrase(),
    // what Node was told for this command, the agent must know when it is started without
    { caFile: options.caFile ?? (extra === '' ? undefined : extra) },
  );
  const dataFile = (await readAgentConfig(options.folder)).data.file;
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
  for (const change of enrolment.changes) print(`  agent.yaml: ${inert(change)}`);
  if (enrolment.changes.length > 0) print('  An agent that runs reads agent.yaml at its next start.');
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
  const { logLevel, data } = await readAgentConfig(options.folder);
  const log = createLogger(options.logLevel ?? logLevel);
  const agent = await createAgent(options.folder, await openAgentKeys(options.folder, passphrase()), {
    clock: systemClock,
    log,
    createComputer: (dataFile) => new ThreadComputer(dataFile),
  });
  // before anything that takes time: a signal that comes meanwhile must end the agent in order too
  const stopped = untilStopped(options.stopWithParent === true, agent.broken, () => {
    readAgentConfig(options.folder).then(
      (config) => {
        log.level = options.logLevel ?? config.logLevel;
        log.info({ logLevel: log.level }, 'the log level was read again');
      },
      (error: unknown) => log.error({ err: error }, 'the log level stays as it was'),
    );
  });
  log.info({ participant: agent.participant }, 'agent started');
  const missing = await dataProblem(data.file);
  if (missing !== undefined) log.warn({ reason: missing }, 'this bank has no rows to train on');
  if (options.json === true) printJson({ ready: true, participant: agent.participant });
  await Promise.race([sayEngine(log), stopped]);
  const code = await stopped;
  await agent.close();
  return code;
}

/** Why the bank's rows cannot be read, if they cannot: better said now than when a run is proposed. */
async function dataProblem(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isFile() ? undefined : `${file} is no file; correct data.file in agent.yaml`;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return `${file} ${isMissing ? 'does not exist' : 'may not be read by this user'}; correct data.file in agent.yaml, or put the file there: until then every run is refused`;
  }
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
  const { data } = await readAgentConfig(options.folder);
  const state = await AgentState.open(options.folder);
  const missing = await dataProblem(data.file);
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
  if (status.reason !== undefined) print(`  ${inert(status.reason)}`);
  if (missing !== undefined) print(`${paint('yellow', 'no rows')}: ${missing}`);
  const isAsked = asksAPerson(options.folder);
  const waiting = status.runs.filter(
    ({ phase, detail }) => isAsked && phase === 'proposed' && detail === CONSIDERING,
  );
  if (status.runs.length > 0) {
    print('');
    print(
      table(
        ['run', 'name', 'phase', 'this bank'],
        status.runs.map((run) => [
          run.run.slice(0, 12),
          run.name,
          run.phase,
          waiting.includes(run) ? painted('yellow', 'waits for a person here') : run.detail,
        ]),
      ),
    );
  }
  for (const { run, name } of waiting)
    print(
      `\nRun "${inert(name)}" waits for a decision of this bank: tallystick agent consent ${run.slice(0, 12)} grant   (or refuse)`,
    );
  print(models.length === 0 ? '\nNo models yet.' : `\n${await modelsTable(models, status.runs)}`);
  return EXIT.ok;
}

/** Where the rules cannot be read, the agent asks as well. */
function asksAPerson(folder: string): boolean {
  try {
    return readPolicy(join(folder, 'policy.yaml')).consent === 'ask';
  } catch (error) {
    print(`${paint('yellow', 'no rules')}: ${inert(describeError(error))}`);
    return true;
  }
}

/** What each file is, from which run, and how good it was. */
async function modelsTable(paths: readonly string[], runs: AgentStatus['runs']): Promise<string> {
  const models = await Promise.all(
    paths.map(async (path) => {
      const of = runs.find(({ model }) => model !== undefined && path.endsWith(`${model}.json`));
      return { path, of, made: (await stat(path)).mtime, ...(await readKind(path)) };
    }),
  );
  models.sort((a, b) => b.made.getTime() - a.made.getTime());
  const files = `Files: ${join(dirname(paths[0]!), 'HASH.json')}, where HASH begins as the models do`;
  const lines = table(
    ['model', 'kind', 'AUC', 'run', 'name', 'received'],
    models.map(({ path, of, made, kind, auc }) => [
      basename(path, '.json').slice(0, 12),
      kind,
      auc?.toFixed(4) ?? '',
      of?.run.slice(0, 12) ?? '',
      of?.name ?? '',
      made.toISOString().slice(0, 16).replace('T', ' '),
    ]),
    [2],
  );
  return `${lines}\n${inert(files)}`;
}

async function readKind(path: string): Promise<{ kind: string; auc: number | undefined }> {
  try {
    const { kind, metrics } = JSON.parse(await readFile(path, 'utf8')) as {
      kind: string;
      metrics?: { auc?: number };
    };
    return { kind, auc: metrics?.auc };
  } catch {
    return { kind: 'damaged', auc: undefined };
  }
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
