/**
 * Whose connection it is: the address at the other end, or, behind proxies of one's own, the one that the outermost
 * of them has seen. What stands further left in X-Forwarded-For is the caller's own invention.
 */
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/** @param proxies how many of our own proxies a request passes on its way */
export function clientAddress({ socket, headers }: IncomingMessage, proxies: number): string {
  const own = socket.remoteAddress ?? '';
  const forwarded = headers['x-forwarded-for'];
  if (proxies === 0 || forwarded === undefined) return own;
  const hops = [...String(forwarded).split(','), own].map((hop) => hop.trim()); // nearest last
  return hops[Math.max(0, hops.length - 1 - proxies)] || own;
}

/**
 * What is counted as one address: of IPv6 the first 56 bits, for whoever has one address there has as many as they
 * like behind it.
 */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const [front = '', back] = address.split('%')[0]!.split('::');
  const left = front === '' ? [] : front.split(':');
  const right = back === undefined || back === '' ? [] : back.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  const words = [...left, ...zeros, ...right].map((word) => Number.parseInt(word, 16));
  return `${[...words.slice(0, 3), words[3]! & 0xff00].map((word) => word.toString(16)).join(':')}::/56`;
}
