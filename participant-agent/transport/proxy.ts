/**
 * The way out through an HTTP proxy, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name it. Everything is tunnelled
 * (RFC 9110 section 9.3.6, CONNECT): the same for requests and WebSockets, and TLS reaches from end to end.
 */
import { Agent as HttpAgent, request as httpRequest, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type AgentOptions as TlsOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** A proxy that says nothing for so long is taken for gone. */
const SILENCE_MS_MAX = 30_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for an address, if one is named and NO_PROXY does not exempt it. @throws FederationError CONFIG */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const named = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined;
  const proxy = named(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? named('ALL_PROXY');
  if (proxy === undefined || isExempt(url, named('NO_PROXY') ?? '')) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new FederationError(
      'CONFIG',
      'expected HTTP_PROXY, HTTPS_PROXY or ALL_PROXY to be the address of an HTTP proxy, such as http://proxy.bank.example:3128',
    );
  return new URL(text);
}

/** Names, with all names below them, and addresses; perhaps with a port; `*` is everything. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  const portOfUrl = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name, only] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry)!;
      if (only !== undefined && only !== portOfUrl) return false;
      const bare = name!.toLowerCase().replace(/^\*?\./, '');
      return host === bare || host.endsWith(`.${bare}`);
    });
}

/** What a proxy is called in messages: never with its password. */
export function nameOfProxy(proxy: URL): string {
  return `the proxy ${proxy.host}`;
}

/** Connections for requests and WebSockets, through a proxy if there is one. */
export function createSocketAgent(url: URL, proxy: URL | undefined, settings: TlsOptions): HttpAgent {
  if (url.protocol === 'https:')
    return proxy === undefined ? new HttpsAgent(settings) : new TlsTunnelAgent(settings, proxy);
  return proxy === undefined ? new HttpAgent(settings) : new TunnelAgent(settings, proxy);
}

type Done = (error: Error | null, socket?: Duplex) => void;
type Target = ConnectionOptions & { readonly host?: string; readonly port?: number };

class TunnelAgent extends HttpAgent {
  private readonly proxy: URL;

  constructor(settings: AgentOptions, proxy: URL) {
    super(settings);
    this.proxy = proxy;
  }

  override createConnection(target: Target, done: Done): undefined {
    openTunnel(this.proxy, target, done);
  }
}

class TlsTunnelAgent extends HttpsAgent {
  private readonly proxy: URL;

  constructor(settings: TlsOptions, proxy: URL) {
    super(settings);
    this.proxy = proxy;
  }

  override createConnection(target: Target, done: Done): undefined {
    openTunnel(this.proxy, target, (error, socket) => {
      if (socket === undefined) return done(error);
      done(null, connectTls({ ...target, socket, path: undefined } as ConnectionOptions));
    });
  }
}

function openTunnel(proxy: URL, { host = 'localhost', port }: Target, done: Done): void {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const fail = (message: string, cause?: Error): void =>
    done(new ProxyError(`${nameOfProxy(proxy)} ${message}`, { cause }));
  const asking = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : proxy.port,
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...authorization(proxy) },
    timeout: SILENCE_MS_MAX,
    agent: false,
  });
  asking.once('timeout', () => asking.destroy(new Error('no answer')));
  asking.once('error', (error: NodeJS.ErrnoException) =>
    fail(
      `cannot be reached (${error.code ?? error.message}): see HTTPS_PROXY and HTTP_PROXY, or name the coordinator's host in NO_PROXY`,
      error,
    ),
  );
  asking.once('connect', (response, socket) => {
    if (response.statusCode === 200) return done(null, socket);
    socket.destroy();
    fail(
      response.statusCode === 407
        ? 'asks for another user and password (HTTP 407): put them into HTTPS_PROXY, as in http://user:password@proxy:3128'
        : `does not let us through to ${authority} (HTTP ${response.statusCode}): ask for it to be allowed, or name the host in NO_PROXY`,
    );
  });
  asking.end();
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** The proxy, and not what is behind it, is what is in the way; the message says what to do. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
}
