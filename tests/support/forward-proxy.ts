/** A small HTTP proxy as companies have them: CONNECT only, perhaps with a user and a password. */
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { closeLater } from './opened.ts';

export interface ForwardProxy {
  readonly url: URL;
  /** Where tunnels were asked for, and what became of it. */
  readonly asked: string[];
}

/** @param access `user:password`, if it asks for one */
export async function startForwardProxy(access?: string): Promise<ForwardProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => {
    response.statusCode = 400; // plain requests are not tunnelled here
    response.end('<html>only CONNECT</html>');
  });
  server.on('connect', (request, near: Socket, head: Buffer) => {
    const given = request.headers['proxy-authorization'];
    const wanted = access && `Basic ${Buffer.from(access).toString('base64')}`;
    if (wanted !== undefined && given !== wanted) {
      asked.push(`407 ${request.url}`);
      near.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    asked.push(`200 ${request.url}`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const far = connect(Number(port), hostname, () => {
      near.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (near.destroy(), far.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeLater(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  if (access !== undefined)
    [url.username, url.password] = access.split(':').map(encodeURIComponent) as [string, string];
  return { url, asked };
}
