/** `tallystick coordinator …` */
import { createCoordinator } from '#coordinator/coordinator.ts';
import { parseCoordinatorConfig, type CoordinatorConfig } from '#coordinator/config.ts';
import { reindexLedger } from '#coordinator/journal/reindex.ts';
import { leaveLocalAccess, recoverOperatorToken, removeLocalAccess } from '#coordinator/local-access.ts';
import { createLogger } from '#coordinator/logger.ts';
import { systemClock } from '#shared/platform/clock.ts';
import { EXIT, print, printJson, say } from '#scripts/commands/output.ts';
import { collectLessOften } from '#scripts/commands/process-memory.ts';
import { untilStopped } from '#scripts/commands/process-life.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export interface CoordinatorStartOptions {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly consortium?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly leastRetentionDays: number;
  readonly trustProxy: number;
  readonly requestsPerMinute: number;
  readonly logLevel: string;
  readonly stopWithParent?: boolean;
  readonly json?: boolean;
}

export async function startCoordinator(options: CoordinatorStartOptions): Promise<number> {
  collectLessOften('coordinator');
  const { trustProxy, requestsPerMinute, leastRetentionDays } = options;
  const config = configOf(options, { trustProxy, requestsPerMinute, leastRetentionDays });
  const log = createLogger(options.logLevel);
  let breaks: (error: Error) => void = () => {};
  const broken = new Promise<Error>((resolve) => (breaks = resolve));
  if (options.json !== true)
    say(`Opening ${config.databaseUrl === undefined ? `the database in ${config.dataDir}` : 'PostgreSQL'} …`);
  const coordinator = await createCoordinator(config, {
    clock: systemClock,
    log,
    onBroken(error) {
      log.fatal({ code: error.code }, error.message);
      breaks(error);
    },
  });
  // before anybody is told that it runs: a signal that comes at once must find somebody
  const stopped = untilStopped(options.stopWithParent === true, broken, () => {
    coordinator.renewCertificate().then(
      (renewed) =>
        log.info(
          renewed ? 'the certificate was read again' : 'SIGHUP: there is no certificate to read again',
        ),
      (error: unknown) => log.error({ err: error }, 'the old certificate stays in use'),
    );
  });
  const tokenFile = await leaveLocalAccess(config.dataDir, coordinator).catch(async (error: unknown) => {
    await coordinator.close(); // else it would go on without anybody who could use it
    throw error;
  });
  if (options.json === true) {
    printJson({ ready: true, url: coordinator.url, charter: coordinator.charter });
  } else {
    print(`Coordinator of "${inert(coordinator.consortium)}" at ${coordinator.url}`);
    print(`Charter  ${coordinator.charter}`);
    print(
      tokenFile === undefined
        ? `No operator token is kept in ${config.dataDir}. Give yours with --token; if all are lost, stop the coordinator and run: tallystick coordinator token --data ${options.data}`
        : `Operator token in ${tokenFile}. Next: tallystick bank invite ID --data ${options.data}`,
    );
  }
  const code = await stopped;
  await removeLocalAccess(config.dataDir);
  await coordinator.close();
  return code;
}

/** Only while the coordinator is stopped. */
export async function reindexCoordinator(options: { data: string; json?: boolean }): Promise<number> {
  if (options.json !== true) say('Checking every entry …');
  const reindexed = await reindexLedger(localConfig(options.data));
  if (options.json === true) printJson(reindexed);
  else
    print(
      `${reindexed.entries} entries are valid, root ${reindexed.root}; ${reindexed.mended === 0 ? 'the index was right' : `${reindexed.mended} rows of the index were mended`}`,
    );
  return EXIT.ok;
}

/** Only while the coordinator is stopped. */
export async function recoverToken(options: { data: string; json?: boolean }): Promise<number> {
  const { file, name } = await recoverOperatorToken(localConfig(options.data), systemClock);
  if (options.json === true) printJson({ file, made: name ?? null });
  else if (name === undefined) print(`The operator token in ${file} is good: none was made.`);
  else print(`A new operator token, "${name}", is in ${file}. See who else has one: tallystick token list`);
  return EXIT.ok;
}

/** For what works in the folder of a stopped coordinator. */
const localConfig = (data: string): CoordinatorConfig => configOf({ data, host: '127.0.0.1', port: 0 });

/** @throws FederationError USAGE | CONFIG */
function configOf(
  options: Pick<CoordinatorStartOptions, 'data' | 'host' | 'port' | 'consortium' | 'tlsCert' | 'tlsKey'>,
  limits: Partial<
    Pick<CoordinatorStartOptions, 'trustProxy' | 'requestsPerMinute' | 'leastRetentionDays'>
  > = {},
): CoordinatorConfig {
  const { DATABASE_URL: databaseUrl, TALLYSTICK_PASSPHRASE: passphrase } = process.env;
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
    throw new FederationError('USAGE', '--tls-cert and --tls-key belong together: give both or none');
  return parseCoordinatorConfig({
    dataDir: options.data,
    host: options.host,
    port: options.port,
    ...(options.consortium === undefined ? {} : { consortium: options.consortium }),
    ...limits,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(options.tlsCert !== undefined && options.tlsKey !== undefined
      ? { tls: { certFile: options.tlsCert, keyFile: options.tlsKey } }
      : {}),
  });
}
