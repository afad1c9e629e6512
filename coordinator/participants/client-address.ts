/**
 * Whose connection it is: the address at the other end, or, behind proxies of one's own, the one that the outermost
 * of them has seen. What stands further left in X-Forwarded-For is the caller's own invention.
 */
import type { IncomingMessage } from 'node:http';

/** @param proxies how many of our own proxies a request passes on its way */
export function clientAddress({ socket, headers }: IncomingMessage, proxies: number): string {
  const own = socket.remoteAddress ?? '';
  const forwarded = headers['x-forwarded-for'];
  if (proxies === 0 || forwarded === undefined) return own;
  const hops = [...String(forwarded).split(','), own].map((hop) => hop.trim()); // nearest last
  return hops[Math.max(0, hops.length - 1 - proxies)] || own;
}
