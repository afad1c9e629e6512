/** The coordinator, put together: store → journal → rounds → sockets and HTTP. */
import { randomBytes } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Server as SocketServer } from 'socket.io';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { CoordinatorEvents } from '#coordinator/events.ts';
import { createHttpApp } from '#coordinator/http/app.ts';
import { createServer, listen, renewCertificate } from '#coordinator/http/server.ts';
import { Journal } from '#coordinator/journal/journal.ts';
import {
  assertLedgerIsOurs,
  foundLedger,
  ledgerName,
  settleKeys,
} from '#coordinator/journal/ledger-identity.ts';
import { assertDatabaseIsThere, assertSameLedger, noteLedger, noteNewKeys } from '#coordinator/keys-use.ts';
import { openCoordinatorKeys, openNextKey, promoteNextKey } from '#coordinator/keys.ts';
import type { Logger } from '#coordinator/logger.ts';
import { createMetrics } from '#coordinator/metrics.ts';
import { Access } from '#coordinator/participants/access.ts';
import { Presence } from '#coordinator/participants/presence.ts';
import { readiness } from '#coordinator/readiness.ts';
import { Strangers } from '#coordinator/participants/strangers.ts';
import { finishExpiring } from '#coordinator/retention.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { RunDrivers } from '#coordinator/rounds/run-drivers.ts';
import { ShareTables } from '#coordinator/rounds/share-tables.ts';
import { serveAgents, type AgentNamespace } from '#coordinator/sockets/agents.ts';
import { cutOffSlowReaders, WAITING_BYTES_MAX } from '#coordinator/sockets/slow-readers.ts';
import { WaitingRoom } from '#coordinator/sockets/waiting-room.ts';
import { serveWatchers, type WatchNamespace } from '#coordinator/sockets/watchers.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { asStorageError } from '#coordinator/store/storage-error.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import { TokenStore } from '#coordinator/store/token-store.ts';
import { assertDataVersion } from '#shared/platform/files/data-version.ts';
import { makeFolder } from '#shared/platform/files/durable-file.ts';
import { lockFolder, type FolderLock } from '#shared/platform/files/folder-lock.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { VERSION } from '#shared/protocol/version.ts';

export interface CoordinatorDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when the coordinator can no longer do its work and must be started again. */
  readonly onBroken: (error: FederationError) => void;
}

export interface Coordinator {
  readonly url: string;
  readonly charter: string;
  /** As the charter has it. */
  readonly consortium: string;
  readonly tokens: TokenStore;
  readonly journal: Journal;
  /** Reads certificate and key again, for connections from now on. @returns false without TLS. @throws FederationError CONFIG: the old ones stay */
  renewCertificate(): Promise<boolean>;
  close(): Promise<void>;
}

/** How long requests under way may take when the coordinator closes. */
const CLOSE_WITHIN_MS = 1000;

/** @throws FederationError STORAGE | KEY_FILE | LEDGER | CONFIG | PORT_IN_USE */
export async function createCoordinator(
  config: CoordinatorConfig,
  deps: CoordinatorDependencies,
): Promise<Coordinator> {
  try {
    await openOwnFolder(config.dataDir, deps.log);
    if (config.tls === undefined && !isLoopback(config.host))
      deps.log.warn(
        { host: config.host },
        'listening beyond this machine without TLS: unless a proxy in front encrypts, whoever is on the network reads tokens and can act as an operator',
      );
    const lock = await lockFolder(join(config.dataDir, 'lock'), deps.clock);
    void lock.lost.then(deps.onBroken);
    try {
      await assertDataVersion(config.dataDir, 'coordinator');
      return await assemble(config, deps, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw asStorageError(error);
  }
}

/**
 * Bodies and the database are nobody else's; a folder that was there before may have been open to others.
 * @throws FederationError CONFIG when it is, and is not ours to close
 */
async function openOwnFolder(dataDir: string, log: Logger): Promise<void> {
  await makeFolder(dataDir); // bodies and the database are nobody else's
  if (((await stat(dataDir)).mode & 0o077) === 0) return;
  try {
    await chmod(dataDir, 0o700);
    log.warn({ dataDir }, 'the data folder was open to other users of this machine; now it is not');
  } catch (cause) {
    throw new FederationError(
      'CONFIG',
      `${dataDir} is open to other users of this machine, and belongs to somebody else; make it the coordinator's own with mode 700`,
      { cause },
    );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

async function assemble(
  config: CoordinatorConfig,
  deps: CoordinatorDependencies,
  lock: FolderLock,
): Promise<Coordinator> {
  const { clock, log } = deps;
  await noteNewKeys(config.dataDir);
  const keys = await openCoordinatorKeys(config.dataDir, config.passphrase);
  await assertDatabaseIsThere(config);
  const bodies = await BodyStore.open(join(config.dataDir, 'bodies'));
  const db = await openDatabase(config.dataDir, config.databaseUrl);
  let drivers: RunDrivers | undefined;
  try {
    const entries = new EntryStore(db);
    const tokens = await TokenStore.open(db, clock);
    const metrics = createMetrics();
    const events = new CoordinatorEvents(log, metrics);
    const journal = await Journal.open(
      entries,
      keys,
      clock,
      {
        onBroken: deps.onBroken,
        onFault: (error) => events.databaseFault(error),
        patienceMs: config.databasePatienceMs,
      },
      join(config.dataDir, 'ledger.snapshot'),
    );
    // before we lead: who has the wrong keys, or the wrong database, must not stop who has the right ones
    assertLedgerIsOurs(journal, config.consortium);
    await assertSameLedger(config, ledgerName(journal));
    await journal.lead();
    await foundLedger(journal, keys, config);
    await noteLedger(config, ledgerName(journal)!);
    await journal.saveSnapshot();
    await settleKeys(config.dataDir, keys, journal);

    const presence = new Presence(journal.clock);
    const strangers = new Strangers(clock, config.requestsPerMinute, (report) => events.strangers(report));
    const access = new Access(tokens, strangers);
    const waitingRoom = new WaitingRoom(strangers, config.trustProxy);
    const rounds: RunDependencies = {
      journal,
      bodies,
      clock,
      log,
      sums: new Map(),
      accepting: new Map(),
      awaySince: presence.awaySince,
      shareTables: new ShareTables(bodies),
      random: (length) => new Uint8Array(randomBytes(length)),
    };
    journal.onRecorded((recorded) => events.recorded(recorded, journal.state));

    await finishExpiring({ journal, entries, bodies });
    const driving = (drivers = new RunDrivers(rounds, deps.onBroken));
    await driving.recoverAll(); // before anybody can send an update
    presence.onChange((participant, connected) => {
      events.presenceChanged(participant, connected);
      driving.wakeAll();
    });

    const app = createHttpApp({
      journal,
      bodies,
      clock,
      presence,
      access,
      entries,
      tokens,
      events,
      metrics,
      retention: { journal, entries, bodies },
      async rotateLogKey(by) {
        await journal.rotateLogKey(await openNextKey(config.dataDir, config.passphrase, 'ledger'), by);
        await promoteNextKey(config.dataDir, 'ledger');
      },
      async rotateCoordinatorKey(by) {
        const next = await openNextKey(config.dataDir, config.passphrase, 'coordinator');
        await journal.rotateCoordinatorKey(next, by);
        await promoteNextKey(config.dataDir, 'coordinator');
      },
      sums: rounds.sums,
      shareTables: rounds.shareTables,
      requestsPerMinute: config.requestsPerMinute,
      trustProxy: config.trustProxy,
      version: VERSION,
      assertReady: readiness(journal, entries),
    });
    const server = await createServer(app, config.tls);
    const io = new SocketServer(server, {
      transports: ['websocket'],
      maxHttpBufferSize: LIMITS.socketBytesMax,
      perMessageDeflate: false,
      serveClient: false,
      pingInterval: 10_000,
      pingTimeout: 10_000,
      allowRequest: waitingRoom.allowRequest,
    });
    waitingRoom.open(io);
    cutOffSlowReaders(io, WAITING_BYTES_MAX, (waiting) => events.cutOff(waiting));
    // the default namespace would take anybody, for ever
    io.use((_socket, next) => next(new Error('NOT_FOUND')));
    const watchers = io.of('/watch') as WatchNamespace;
    const agents = io.of('/agents') as AgentNamespace;
    serveWatchers(watchers, {
      journal,
      entries,
      access,
      tokens,
      presence,
      events,
      waitingRoom,
    });
    serveAgents(agents, {
      rounds,
      entries,
      access,
      presence,
      waitingRoom,
      events,
      metrics,
      onProgress: (report) => watchers.to(report.run).emit('progress', report),
    });
    const url = await listen(server, config);
    const { consortium } = journal.state.charter!.payload;
    log.info({ url, entries: journal.state.size, consortium }, 'coordinator ready');

    return {
      url,
      charter: journal.state.charter!.hash,
      consortium,
      tokens,
      journal,
      renewCertificate: () => renewCertificate(server, config.tls),
      async close() {
        await driving.close();
        // also closes the HTTP server, which waits for requests under way: stalled ones would keep it for minutes
        const cutOff = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
        await io.close();
        clearTimeout(cutOff);
        strangers.close();
        await journal.close();
        await journal.saveSnapshot();
        await db.destroy();
        await lock.release();
        log.info('coordinator closed');
      },
    };
  } catch (error) {
    await drivers?.close(); // runs that wait for something would keep the process
    await db.destroy();
    throw error;
  }
}
