/** The HTTP or HTTPS server itself: made, and bound to its port. */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export async function createServer(app: Express, tls: CoordinatorConfig['tls']): Promise<Server> {
  if (tls === undefined) return createHttpServer(app);
  return createHttpsServer({ cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) }, app);
}

/** @returns its URL. @throws FederationError PORT_IN_USE | CONFIG */
export function listen(server: Server, { host, port, tls }: CoordinatorConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === 'EADDRINUSE'
          ? new FederationError(
              'PORT_IN_USE',
              `port ${port} on ${host} is taken; stop the other process or choose another with --port`,
              { cause },
            )
          : new FederationError('CONFIG', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }),
      );
    });
    server.listen(port, host, () => {
      const address = server.address() as AddressInfo;
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
      resolve(`${tls === undefined ? 'http' : 'https'}://${name}:${address.port}`);
    });
  });
}
