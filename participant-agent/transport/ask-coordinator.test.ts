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

// made for this test with openssl, for 127.0.0.1 and a hundred years; the authority's own key was thrown away
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUGp6o/+V5W5GX/FZMR+Ih+xhosk0wCgYIKoZIzj0EAwIw
JTEjMCEGA1UEAwwaVGVzdCBhdXRob3JpdHkgb2Ygb25lIGJhbmswIBcNMjYxMTIx
MDc1MjE1WhgPMjEyNjEwMjgwNzUyMTVaMCUxIzAhBgNVBAMMGlRlc3QgYXV0aG9y
aXR5IG9mIG9uZSBiYW5rMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5SYUJ1Dv
KO1ScBxb6/R74vVqYjKsTBywdkGzDvLgcB8OkVbdx9IRx0yyqWG5WLcN5r57xTGm
K1Bi3fP7S/edrKNTMFEwHQYDVR0OBBYEFDEo5o0UxG5xRW0K93xh40rxpNRNMB8G
A1UdIwQYMBaAFDEo5o0UxG5xRW0K93xh40rxpNRNMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIgGh/IHAg2ByV3yR0v7aBNAQQcrRmtN3w2eL8VYBDx
UQsCIQDpNx2CeG9Ug+6D04fK58SCwNgNf42gNxPOjEr7Cp6AZA==
-----END CERTIFICATE-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBsTCCAVagAwIBAgIUBvfirng+6bq9RDVaWv+MvqbBn5swCgYIKoZIzj0EAwIw
JTEjMCEGA1UEAwwaVGVzdCBhdXRob3JpdHkgb2Ygb25lIGJhbmswIBcNMjYxMTIx
MDc1MjE1WhgPMjEyNjEwMjgwNzUyMTVaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABDkMobEr+89hmOmykyodS28RzWAogmor
pxrCDwoLhFHB2DbqhE9fbBwIaEiq4VxbbYsUqBOy5JGcAFK6xb6PEJSjczBxMBoG
A1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9zdDATBgNVHSUEDDAKBggrBgEFBQcDATAd
BgNVHQ4EFgQU9GtvX6hI0zCkyLT35PJrK0JiF9swHwYDVR0jBBgwFoAUMSjmjRTE
bnFFbQr3fGHjSvGk1E0wCgYIKoZIzj0EAwIDSQAwRgIhALnxtjA820SbFLWYWmwo
/XwdwjPnkthqON1a4JnnyU+aAiEAxykHozvzNaiFWnyiEf02kD9XhyEABSB9xZoa
+g1W6EA=
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi+QD3vTiwMzNcWBO
a8pDDyEKq9lOPmACA8HRdq6HTtqhRANCAAQ5DKGxK/vPYZjpspMqHUtvEc1gKIJq
K6cawg8KC4RRwdg26oRPX2wcCGhIquFcW22LFKgTsuSRnABSusW+jxCU
-----END PRIVATE KEY-----`;

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
  url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/v1/charter`);
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
    expect(await askJson(url, undefined, trust)).toEqual({ method: 'GET', body: '' });
    expect(await askJson(url, { some: 'ä' }, trust)).toEqual({ method: 'POST', body: '{"some":"ä"}' });
    await rm(join(folder, 'ca.pem'));
    await expect(trustOf(folder, config)).rejects.toMatchObject({ code: 'CONFIG' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('and is not believed otherwise, which is said', async () => {
  await expect(askText(url, undefined, undefined)).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(/certificate is not trusted.*caFile/) as string,
  });
});

test("an authority of the bank's own is trusted besides the public ones, not in their place", () => {
  const trusted = trustBesides(AUTHORITY);
  expect(trusted).toContain(AUTHORITY);
  expect(trusted).toEqual(expect.arrayContaining([...rootCertificates]));
  expect(rootCertificates.length).toBeGreaterThan(50);
});

test("a refusal is the coordinator's own code, and not more of its words than a log should have", async () => {
  const refusal = askJson(new URL('/refused', url), undefined, trustBesides(AUTHORITY));
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
  await expect(askText(new URL(`http://127.0.0.1:${port}/`), undefined, undefined)).rejects.toMatchObject({
    code: 'TOO_LARGE',
  });
  endless.closeAllConnections();
  endless.close();
});
