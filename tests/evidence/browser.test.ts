/**
 * The auditor's own browser is verifier enough: the same code, bundled for it, run by a real one. Skipped where
 * there is none.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync } from 'node:fs';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { verifyBundle, type AuditReport } from '#models/audit/verify-bundle.ts';
import { sourceOf } from '../support/bundle-parts.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { makeSampleLedger } from './sample-ledger.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browser = process.env['CHROMIUM'] ?? BROWSERS.find((path) => existsSync(path));

const PAGE = `
import { verifyBundle } from '#models/audit/verify-bundle.ts';
const [blob, charter] = await Promise.all([
  fetch('/bundle').then((response) => response.blob()),
  fetch('/charter').then((response) => response.text()),
]);
const source = {
  size: blob.size,
  read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
};
const report = await verifyBundle(source, { charter }).catch((error) => ({ error: String(error) }));
await fetch('/report', { method: 'POST', body: JSON.stringify(report) });
`;

async function verifyInBrowser(bundle: Uint8Array, charter: string): Promise<AuditReport> {
  const built = await build({
    stdin: { contents: PAGE, resolveDir: process.cwd(), loader: 'js' },
    ...{ bundle: true, write: false, format: 'esm', platform: 'browser', target: 'es2023' },
  });
  const script = built.outputFiles[0]!.text;
  expect(script).not.toMatch(/["']node:/);
  const page = '<!doctype html><meta charset="utf-8"><script type="module" src="/script.js"></script>';
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const answer = (type: string, body: string | Uint8Array): void => {
        response.writeHead(200, { 'content-type': type }).end(body);
      };
      if (request.url === '/') return answer('text/html', page);
      if (request.url === '/script.js') return answer('text/javascript', script);
      if (request.url === '/bundle') return answer('application/octet-stream', bundle);
      if (request.url === '/charter') return answer('text/plain', charter);
      let said = '';
      request.on('data', (chunk: Buffer) => (said += chunk.toString()));
      request.on('end', () => {
        answer('text/plain', '');
        if (request.url === '/report') resolve(JSON.parse(said) as AuditReport);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      void temporaryFolder('browser').then((profile) => {
        const { port } = server.address() as AddressInfo;
        const child = spawn(
          browser!,
          [
            ...['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run'],
            ...[`--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
          ],
          { stdio: 'ignore' },
        );
        child.on('error', reject);
        closeLater(async () => {
          const gone = new Promise((over) => child.once('exit', over));
          child.kill('SIGKILL');
          await gone;
          server.closeAllConnections();
          server.close();
        });
      });
    });
  });
}

test.skipIf(browser === undefined)(
  'a browser comes to the verdict that Node comes to, good or bad',
  async () => {
    const { bytes, charter } = await makeSampleLedger();
    const good = await verifyInBrowser(bytes, charter);
    expect(good).toMatchObject({ passed: true, complete: true });
    expect(good).toEqual(JSON.parse(JSON.stringify(await verifyBundle(sourceOf(bytes), { charter }))));
    const bad = bytes.slice();
    bad[bad.length >> 1]! ^= 1;
    expect((await verifyInBrowser(bad, charter)).passed).toBe(false);
  },
);
