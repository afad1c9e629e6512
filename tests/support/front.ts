/** What stands in front of a coordinator, as nginx does: a path that it takes away, TLS, a limit for bodies. */
import { createServer as createPlain, request as httpRequest, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { CERTIFICATE, KEY } from './certificate.ts';
import { closeLater } from './opened.ts';

export interface FrontOptions {
  /** As in nginx's `location /fl/ { proxy_pass http://coordinator/; }`. */
  readonly prefix?: string;
  readonly tls?: boolean;
  readonly host?: string;
  /** As nginx's client_max_body_size: more is answered with 413 and a page. */
  readonly bodyBytesMax?: number;
}

/** @param target URL of the coordinator. @returns where it is reached now */
export async function startFront(target: string, options: FrontOptions = {}): Promise<string> {
  const { prefix = '/', tls = false, bodyBytesMax = Infinity, host = '127.0.0.1' } = options;
  const { hostname, port } = new URL(target);
  const pathOf = (url = '/'): string | undefined =>
    url.startsWith(prefix) ? `/${url.slice(prefix.length)}` : undefined;
  const listener: RequestListener = (request, response) => {
    const path = pathOf(request.url);
    const isTooLarge = Number(request.headers['content-length'] ?? 0) > bodyBytesMax;
    if (path === undefined || isTooLarge) {
      response.statusCode = isTooLarge ? 413 : 404;
      response.setHeader('content-type', 'text/html');
      request.resume(); // nginx reads on for a while, so that its answer arrives
      response.end(`<html><body><h1>${response.statusCode}</h1></body></html>`);
      return;
    }
    const { method, headers } = request;
    const onward = httpRequest({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html>502</html>'),
    );
    request.pipe(onward);
  };
  const server = tls ? createSecure({ cert: CERTIFICATE, key: KEY }, listener) : createPlain(listener);
  const sockets = new Set<Socket>();
  server.on('upgrade', (request, near: Socket, head: Buffer) => {
    const path = pathOf(request.url);
    if (path === undefined) return void near.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const far = connect(Number(port), hostname, () => {
      const headers = request.rawHeaders.flatMap((text, i, all) =>
        i % 2 === 0 ? [`${text}: ${all[i + 1]}`] : [],
      );
      far.write(`GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (near.destroy(), far.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  closeLater(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return `${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}${prefix}`;
}
