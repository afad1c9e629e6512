import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-operator-'));
const servers: Server[] = [];
/** What each server was shown last. */
const shown: string[] = [];
let inFolder: string;
let elsewhere: string;

async function serve(): Promise<string> {
  const index = servers.length;
  const server = createServer((request, response) => {
    shown[index] = request.headers.authorization ?? '';
    response.end('{}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  [inFolder, elsewhere] = [await serve(), await serve()];
  writeFileSync(join(folder, 'url'), `${inFolder}\n`);
  writeFileSync(join(folder, 'operator.token'), 'of-the-folder\n');
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

/** Whom a request reaches, and with which token. */
async function reached(options: OperatorOptions, environment: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const client = await OperatorClient.from(options, environment);
  await client.get('/v1/runs');
  const index = [inFolder, elsewhere].indexOf(client.url);
  return [client.url, shown[index]!.replace('Bearer ', '')];
}

describe('an operator reaches', () => {
  test('the coordinator of the folder that was named, whatever the environment says', async () => {
    const environment = { TALLYSTICK_URL: elsewhere, TALLYSTICK_TOKEN: 'of-the-environment' };
    expect(await reached({ data: folder }, environment)).toEqual([inFolder, 'of-the-folder']);
    expect(await reached({ data: folder, token: 'given' }, environment)).toEqual([inFolder, 'given']);
  });

  test('what the environment says when nothing was named', async () => {
    const environment = { TALLYSTICK_URL: elsewhere, TALLYSTICK_TOKEN: 'of-the-environment' };
    expect(await reached({}, environment)).toEqual([elsewhere, 'of-the-environment']);
  });

  test('the address that was named, never with the token of a folder', async () => {
    const environment = { TALLYSTICK_TOKEN: 'of-the-environment' };
    expect(await reached({ url: elsewhere, data: folder }, environment)).toEqual([
      elsewhere,
      'of-the-environment',
    ]);
    await expect(reached({ url: elsewhere, data: folder })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(reached({}, { TALLYSTICK_URL: elsewhere })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });

  test.each(['notaurl', 'coordinator.example:7400', 'file:///etc/passwd', ''])(
    'nobody at "%s", which is said before anything is sent',
    async (url) => {
      await expect(reached({ url, token: 'given' })).rejects.toMatchObject({ code: 'USAGE' });
    },
  );
});
