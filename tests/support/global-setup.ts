/**
 * Once for the whole project `promises`: a prepared PGlite folder that tests copy, because making one takes
 * seconds and 850 MB, and one PostgreSQL server in which each coordinator under test gets a database of its
 * own. Both are gone when the tests are, however they end.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { createPGliteFolder } from '#coordinator/store/create-pglite-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Copied to `<dataDir>/database` by each coordinator on PGlite. */
    readonly pgliteFolder: string;
    /** Of a user who may create databases. */
    readonly postgresUrl: string;
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = fileURLToPath(new URL('./postgres-server.ts', import.meta.url));
const START_WITHIN_MS = 60_000;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  buildIfStale();
  // the server's user must be able to reach its folder, which a private TMPDIR would prevent
  const parent = process.getuid?.() === 0 && existsSync('/tmp') ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(parent, 'tallystick-promises-'));
  const postgresFolder = `${folder}-postgres`;
  const server = spawn(process.execPath, ['--import', 'tsx', SERVER, postgresFolder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const teardown = async (): Promise<void> => {
    await stop(server);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const pgliteFolder = join(folder, 'pglite');
    const [postgresUrl] = await Promise.all([urlOf(server), createPGliteFolder(pgliteFolder)]);
    project.provide('pgliteFolder', pgliteFolder);
    project.provide('postgresUrl', postgresUrl);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** `npm test` has built already; who runs vitest alone shall not test what the sources were yesterday. */
function buildIfStale(): void {
  const built = join(ROOT, 'dist', 'tallystick.js');
  const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0;
  const isNewer = ['shared', 'models', 'coordinator', 'participant-agent', 'scripts'].some((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }).some(
      (file) => file.isFile() && statSync(join(file.parentPath, file.name)).mtimeMs > builtAt,
    ),
  );
  if (isNewer) execFileSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { stdio: 'inherit' });
}

function urlOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(() => reject(new Error('PostgreSQL did not start')), START_WITHIN_MS);
    let text = '';
    server.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.includes('\n')) return;
      clearTimeout(impatience);
      resolve((JSON.parse(text) as { url: string }).url);
    });
    server.once('exit', (code) => {
      clearTimeout(impatience);
      reject(new Error(`PostgreSQL did not start (exit ${code})`));
    });
  });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.stdin!.end();
  await gone;
}
