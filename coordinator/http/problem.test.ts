import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { expect, test } from 'vitest';
import { CoordinatorEvents } from '#coordinator/events.ts';
import { problemHandler } from '#coordinator/http/problem.ts';
import type { Logger } from '#coordinator/logger.ts';
import { createMetrics } from '#coordinator/metrics.ts';

test('an internal error is in the log under the id that the answer names', async () => {
  const logged: object[] = [];
  const log = { error: (fields: object) => void logged.push(fields) } as unknown as Logger;
  const app = express();
  const failure = new Error('a bug');
  app.get('/', (_request, response) => {
    response.setHeader('x-request-id', 'id-1');
    throw failure;
  });
  app.use(problemHandler(new CoordinatorEvents(log, createMetrics())));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reply = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  expect(await reply.json()).toMatchObject({ code: 'INTERNAL', requestId: 'id-1' });
  expect(logged).toEqual([{ err: failure, requestId: 'id-1' }]);
  server.close();
});
