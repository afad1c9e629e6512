/**
 * How many requests a minute are taken: from one address, and from each holder of a token, who is counted by itself:
 * a stranger at the same address must not use up what an operator may ask.
 */
import type { RequestHandler } from 'express';
import type { Access } from '#coordinator/participants/access.ts';
import { addressGroup } from '#coordinator/participants/client-address.ts';
import { MinuteCounts } from '#coordinator/participants/minute-counts.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Vectors, share tables and models, by root, session and round. */
const BODY_ROUTES = /^\/v1\/(bodies|sessions|rounds)\//;

/** Throws RATE_LIMIT, with headers as in the IETF's draft 8 of "RateLimit header fields for HTTP". */
export function requestLimit(access: Access, clock: Clock, perMinute: number): RequestHandler {
  const counts = new MinuteCounts(clock, perMinute);
  return ({ path, headers, ip }, response, next) => {
    const holder = access.holderOf(headers.authorization);
    // bodies have limits of their own, what a round expects; but only for those who may have any
    if (holder !== undefined && BODY_ROUTES.test(path)) return next();
    const left = counts.count(holder ?? addressGroup(ip ?? ''));
    const seconds = counts.secondsLeft;
    response.setHeader('ratelimit-policy', `"minute"; q=${perMinute}; w=60`);
    response.setHeader('ratelimit', `"minute"; r=${Math.max(0, left)}; t=${seconds}`);
    if (left >= 0) return next();
    response.setHeader('retry-after', seconds);
    throw new FederationError(
      'RATE_LIMIT',
      `more than ${perMinute} requests a minute; wait ${seconds} s and try again`,
    );
  };
}
