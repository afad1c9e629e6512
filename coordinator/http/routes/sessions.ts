/**
 * What the dealers of a session dealt to the bank that asks, one package of equal length after the other, in
 * the order of the sealed dealers. Everything in it is encrypted for that bank or public.
 *
 *   GET /v1/sessions/:session/shares
 */
import { Router } from 'express';
import { authorised, hashInPath } from '#coordinator/http/route.ts';
import { countSent } from '#coordinator/http/send-body.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';
import type { Access } from '#coordinator/participants/access.ts';
import type { ShareTables } from '#coordinator/rounds/share-tables.ts';
import { runOf } from '#shared/ledger/federation-state.ts';
import { sessionIndex, sessionOf } from '#shared/ledger/session-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface SessionRouteDependencies {
  readonly access: Access;
  readonly metrics: CoordinatorMetrics;
  readonly journal: Journal;
  readonly shareTables: ShareTables;
}

export function sessionRouter({ access, metrics, journal, shareTables }: SessionRouteDependencies): Router {
  const router = Router();
  router.get('/:session/shares', async (request, response) => {
    const caller = authorised(request, access, ['bank']);
    if (caller.kind !== 'bank') throw new FederationError('FORBIDDEN', 'only banks have shares');
    const session = sessionOf(journal.state, hashInPath(request, 'session', 'the hash of a session'));
    if (session.sealed === undefined)
      throw new FederationError('NOT_FOUND', `session ${session.hash} is not sealed yet`);
    if (session.isVoid || runOf(journal.state, session.payload.run).phase.name === 'finished')
      throw new FederationError('LATE', `session ${session.hash} is over: nobody needs its shares any more`);
    const packages = await shareTables.packagesFor(session, sessionIndex(session, caller.participant));
    await journal.stored(); // the state is ahead of the disk
    countSent(response, metrics);
    const length = packages.reduce((total, one) => total + one.length, 0);
    response.type('application/octet-stream').setHeader('content-length', length);
    for (const one of packages) response.write(one);
    response.end();
  });
  return router;
}
