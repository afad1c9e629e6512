/**
 * The masked vectors in a closed sum, one after the other in the order of the survivors, for banks that check
 * it. Masked vectors of a closed round say no more than the sum does.
 *
 *   GET /v1/rounds/:ctx/vectors
 */
import { Router } from 'express';
import { authorised, hashInPath } from '#coordinator/http/route.ts';
import { countSent, sendBytes, sendFile } from '#coordinator/http/send-body.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';
import type { Access } from '#coordinator/participants/access.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import { rosterIndex, roundOf } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface RoundRouteDependencies {
  readonly access: Access;
  readonly metrics: CoordinatorMetrics;
  readonly journal: Journal;
  readonly bodies: BodyStore;
}

export function roundRouter({ access, metrics, journal, bodies }: RoundRouteDependencies): Router {
  const router = Router();
  router.get('/:ctx/vectors', async (request, response) => {
    const caller = authorised(request, access, ['bank']);
    if (caller.kind !== 'bank') throw new FederationError('FORBIDDEN', 'only banks check sums');
    const ctx = hashInPath(request, 'ctx', 'the hash of a round');
    const { open, past } = roundOf(journal.state, ctx);
    if (open.masked === undefined || past?.end.outcome !== 'closed')
      throw new FederationError('NOT_FOUND', `${ctx} is not a closed masked round`);
    rosterIndex(open, caller.participant);
    const { survivors } = past.end.payload;
    const roots = survivors.map((index) => open.inputs.get(index)!.vectorRoot);
    const sizes = await Promise.all(roots.map((root) => bodies.size(root)));
    if (sizes.includes(undefined)) throw new FederationError('NOT_FOUND', 'a vector of this round is gone');
    await journal.stored(); // the state is ahead of the disk
    countSent(response, metrics);
    response.type('application/octet-stream').setHeader(
      'content-length',
      sizes.reduce<number>((total, size) => total + size!, 0),
    );
    for (const root of roots) {
      const kept = bodies.inMemory(root);
      if (kept === undefined) await sendFile(bodies.path(root), response);
      else await sendBytes(kept.bytes, response).finally(() => kept.giveBack());
    }
    response.end();
  });
  return router;
}
