/**
 * What is in the way to the coordinator, in words: the cause, and what to do about it. Node's own words for these are
 * "socket hang up" and "websocket error".
 */
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { nameOfProxy, ProxyError } from '#participant-agent/transport/proxy.ts';
import type { Answer, Way } from '#participant-agent/transport/way.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

const PROBE_MS_MAX = 5000;

/** Of a request that got no answer. */
export async function describeFailure(cause: unknown, way: Way): Promise<string> {
  if (cause instanceof ProxyError) return cause.message;
  const base = way.at('');
  const where = hostAndPort(base);
  const { code = '', message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${where}: is the coordinator started, and are host and port right (${way.addressIn})?`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name "${base.hostname}" is not known here (DNS, ${code}): check how it is written (${way.addressIn}), and this machine's DNS`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${where} does not answer (${code}): a firewall may swallow what is sent there; have the way out opened, or name a proxy in HTTPS_PROXY`;
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${where} has expired: the operator renews it (or this machine's clock is wrong)`;
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${where} is not valid yet: this machine's clock may be wrong; set it by NTP`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${where} is for another name: use the name that is in it (${way.addressIn}), or have one made for this name`;
  }
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_UNTRUSTED|INVALID_CA/.test(code))
    return `the certificate of ${where} is not trusted (${code}): it is by an authority that this machine does not know; ${way.trustIn}`;
  if (/CERT|TLS/.test(code)) return `the certificate of ${where} is not accepted (${code}): ${way.trustIn}`;
  if (/WRONG_VERSION|PACKET_LENGTH|EPROTO|UNKNOWN_PROTOCOL|HTTP_REQUEST/.test(`${code} ${message}`))
    return `${where} does not speak TLS: either the address begins with http:// (${way.addressIn}), or TLS is missing there`;
  if (base.protocol === 'http:' && way.proxy === undefined && (await speaksTls(base)))
    return `${where} speaks TLS: the address begins with https:// (${way.addressIn})`;
  return `the connection to ${where}${throughProxy(way)} broke off (${inert(code || describeError(cause))}): look at what is in between, a firewall or a proxy`;
}

/** Of an answer that is not by our coordinator. */
export function describeAnswer({ status, headers, bytes }: Answer, way: Way): string {
  const from = `${way.at('').href}${throughProxy(way)}`;
  const what =
    /html/i.test(headers['content-type'] ?? '') || /^\s*</.test(asText(bytes)) ? 'a page' : 'something';
  if (status >= 300 && status < 400)
    return `${from} redirects elsewhere${headers.location === undefined ? '' : `, to ${inert(headers.location)}`}: give the coordinator's own address (${way.addressIn})`;
  if (status === 401 || status === 403 || status === 407)
    return `something in between answers for ${from} and does not let us through (HTTP ${status}): a proxy or firewall that asks who you are`;
  if (status === 404)
    return `${from} answers, but it is no coordinator (HTTP 404): is it below a path, as in https://host/fl/ (${way.addressIn})?`;
  if (status === 413)
    return `a proxy in front of ${from} takes no request of this size (HTTP 413): the operator sets its limit higher (nginx: client_max_body_size 2m)`;
  if (status >= 500)
    return `a proxy in front of ${from} finds no coordinator behind it (HTTP ${status}): is the coordinator started?`;
  return `something in between answered with ${what}, not the coordinator at ${from} (HTTP ${status}): look at the proxy or firewall on the way (HTTPS_PROXY, NO_PROXY), or at the address (${way.addressIn})`;
}

/** A request that got no answer, as our own error. */
export async function unreachable(cause: unknown, way: Way): Promise<FederationError> {
  if (cause instanceof FederationError) return cause;
  return new FederationError(
    'UNREACHABLE',
    `the coordinator cannot be reached: ${await describeFailure(cause, way)}`,
    { cause },
  );
}

function throughProxy({ proxy }: Way): string {
  return proxy === undefined ? '' : ` through ${nameOfProxy(proxy)}`;
}

function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function asText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 200));
}

/** Whether a TLS handshake succeeds there, with whatever certificate: nothing is sent. */
function speaksTls({ hostname, port }: URL): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connectTls({
      host,
      port: Number(port === '' ? 80 : port),
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const end = (speaks: boolean) => (): void => {
      socket.destroy();
      resolve(speaks);
    };
    socket.setTimeout(PROBE_MS_MAX, end(false));
    socket.once('secureConnect', end(true));
    socket.once('error', end(false));
  });
}
