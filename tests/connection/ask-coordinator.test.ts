import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentConfig } from '#participant-agent/config.ts';
import { askJson, askText } from '#participant-agent/transport/ask-coordinator.ts';
import { trustBesides, trustOf } from '#participant-agent/transport/trust.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { AUTHORITY, CERTIFICATE, KEY } from '../support/certificate.ts';

let server: Server;
let url: URL;
beforeAll(async () => {
  server = createServer({ cert: CERTIFICATE, key: KEY }, (request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      response.statusCode = request.url === '/refused' ? 409 : 200;
      response.end(
        request.url === '/refused'
          ? JSON.stringify({ code: 'STATE', detail: 'x'.repeat(10_000) })
          : JSON.stringify({ method: request.method, body }),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
afterAll(() => void server.close());

test("a coordinator with a certificate of the bank's own authority is believed when agent.yaml names it", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-trust-'));
  try {
    await writeFile(join(folder, 'ca.pem'), AUTHORITY);
    const config = agentConfig.parse({
      coordinator: { url: url.origin, charter: 'a'.repeat(64), caFile: 'ca.pem' },
      participant: 'a',
      data: { file: 'rows.csv' },
    });
    const trust = await trustOf(folder, config);
    expect(await askJson(wayTo(url.href, trust), 'v1/charter')).toEqual({ method: 'GET', body: '' });
    expect(await askJson(wayTo(url.href, trust), 'v1/charter', { some: 'ä' })).toEqual({
      method: 'POST',
      body: '{"some":"ä"}',
    });
    await rm(join(folder, 'ca.pem'));
    await expect(trustOf(folder, config)).rejects.toMatchObject({ code: 'CONFIG' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('and is not believed otherwise, which is said', async () => {
  await expect(askText(wayTo(url.href, undefined), 'v1/charter')).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(/certificate.* is not trusted.*caFile/) as string,
  });
});

test("an authority of the bank's own is trusted besides the public ones, not in their place", () => {
  const trusted = trustBesides(AUTHORITY);
  expect(trusted).toContain(AUTHORITY);
  expect(trusted).toEqual(expect.arrayContaining([...rootCertificates]));
  expect(rootCertificates.length).toBeGreaterThan(50);
});

test("a refusal is the coordinator's own code, and not more of its words than a log should have", async () => {
  const refusal = askJson(wayTo(url.href, trustBesides(AUTHORITY)), 'refused');
  await expect(refusal).rejects.toMatchObject({ code: 'STATE', message: 'x'.repeat(500) });
});

test('an answer without end is not read to its end', async () => {
  const endless = createPlainServer((_, response) => {
    const more = (): void => {
      while (response.writable && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  endless.listen(0, '127.0.0.1');
  await once(endless, 'listening');
  const { port } = endless.address() as AddressInfo;
  await expect(askText(wayTo(`http://127.0.0.1:${port}/`, undefined), '')).rejects.toMatchObject({
    code: 'TOO_LARGE',
  });
  endless.closeAllConnections();
  endless.close();
});
