/** The HTTP or HTTPS server itself: made, and bound to its port. */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** A connection on which nothing moves for so long is cut: a reader that stopped reading holds a file and a buffer. */
const SILENCE_MS_MAX = 60_000;

/**
 * WebSockets are not cut: they take the silence for theirs, and ping.
 * @throws FederationError CONFIG naming the file that is not what TLS needs
 */
export async function createServer(
  app: RequestListener,
  tls: CoordinatorConfig['tls'],
  silenceMsMax = SILENCE_MS_MAX,
): Promise<Server> {
  const server = tls === undefined ? createHttpServer() : await createTlsServer(tls);
  server.setTimeout(silenceMsMax);
  server.on('request', (request, response) => {
    // while we still work on an answer it is not the other side that is silent
    response.on('timeout', () => {
      if (response.headersSent || !request.complete) request.socket.destroy();
    });
  });
  return server.on('request', app);
}

function createTlsServer(tls: NonNullable<CoordinatorConfig['tls']>): Promise<Server> {
  return withCertificate(tls, createHttpsServer);
}

/** @returns false without TLS. @throws FederationError CONFIG: the server goes on with the old certificate */
export async function renewCertificate(server: Server, tls: CoordinatorConfig['tls']): Promise<boolean> {
  if (tls === undefined || !(server instanceof HttpsServer)) return false;
  await withCertificate(tls, (pair) => server.setSecureContext(pair));
  return true;
}

/** @throws FederationError CONFIG naming the files that are not what TLS needs */
async function withCertificate<T>(
  { certFile, keyFile }: NonNullable<CoordinatorConfig['tls']>,
  use: (pair: { cert: Buffer; key: Buffer }) => T,
): Promise<T> {
  const [cert, key] = [await readPem(certFile), await readPem(keyFile)];
  try {
    return use({ cert, key });
  } catch (cause) {
    throw new FederationError(
      'CONFIG',
      `${certFile} and ${keyFile} are not a certificate and its key in PEM: ${describeError(cause)}`,
      { cause },
    );
  }
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new FederationError('CONFIG', `cannot read ${file}: ${describeError(cause)}`, { cause });
  }
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
