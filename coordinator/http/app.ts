/** The Express application: what every request passes, then the routes, then the problem handler. */
import { randomUUID } from 'node:crypto';
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { CoordinatorEvents } from '#coordinator/events.ts';
import { openApiDocument } from '#coordinator/http/openapi.ts';
import { notFound, problemHandler } from '#coordinator/http/problem.ts';
import { requestLimit } from '#coordinator/http/request-limit.ts';
import { authorised, type Route } from '#coordinator/http/route.ts';
import { sharedCheck } from '#coordinator/http/shared-check.ts';
import { bodyRouter, type BodyRouteDependencies } from '#coordinator/http/routes/bodies.ts';
import { ledgerRoutes } from '#coordinator/http/routes/ledger.ts';
import {
  participantRoutes,
  type ParticipantRouteDependencies,
} from '#coordinator/http/routes/participants.ts';
import { roundRouter } from '#coordinator/http/routes/rounds.ts';
import { runRoutes } from '#coordinator/http/routes/runs.ts';
import { sessionRouter, type SessionRouteDependencies } from '#coordinator/http/routes/sessions.ts';
import { upkeepRoutes, type UpkeepRouteDependencies } from '#coordinator/http/routes/upkeep.ts';
import { tileRouter } from '#coordinator/http/routes/tiles.ts';
import { tokenRoutes } from '#coordinator/http/routes/tokens.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import type { TokenStore } from '#coordinator/store/token-store.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export interface HttpDependencies
  extends
    BodyRouteDependencies,
    ParticipantRouteDependencies,
    SessionRouteDependencies,
    UpkeepRouteDependencies {
  readonly entries: EntryStore;
  readonly tokens: TokenStore;
  readonly clock: Clock;
  readonly events: CoordinatorEvents;
  readonly requestsPerMinute: number;
  /** Proxies of our own in front. */
  readonly trustProxy: number;
  readonly version: string;
  /** @throws FederationError when the coordinator cannot work */
  readonly assertReady: () => Promise<void>;
}

export function createHttpApp(deps: HttpDependencies): Express {
  const { access, events, metrics } = deps;
  const stored = (): Promise<void> => deps.journal.stored();
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('trust proxy', deps.trustProxy);
  app.use((_request, response, next) => {
    response.setHeader('x-request-id', randomUUID());
    next();
  });
  app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } } }));

  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  const assertReady = sharedCheck(deps.assertReady);
  app.get('/readyz', async (_request, response) => {
    await assertReady();
    response.json({ status: 'ready' });
  });

  app.use(requestLimit(access, deps.clock, deps.requestsPerMinute));
  app.get('/metrics', async (request, response) => {
    authorised(request, access, ['auditor']);
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  app.use('/v1/bodies', bodyRouter(deps));
  app.use('/v1/sessions', sessionRouter(deps));
  app.use('/v1/rounds', roundRouter(deps));
  app.use(tileRouter(deps));
  const [small, large] = [LIMITS.strangerRequestBytesMax, LIMITS.requestBytesMax].map((limit) =>
    express.json({ limit }),
  );
  app.use((request, response, next) =>
    (access.holderOf(request.headers.authorization) === undefined ? small! : large!)(request, response, next),
  );
  const routes: Route[] = [
    ...participantRoutes(deps),
    ...runRoutes(deps),
    ...ledgerRoutes(deps),
    ...upkeepRoutes(deps),
    ...tokenRoutes(deps),
  ];
  let document: object | undefined; // a tenth of a second to make, and most coordinators are never asked for it
  app.get('/v1/openapi.json', (_request, response) => {
    document ??= openApiDocument(routes, deps.version);
    response.json(document);
  });
  for (const { method, path, handler } of routes) app[method](`/v1${path}`, handler({ access, stored }));

  app.use(notFound);
  app.use(problemHandler(events));
  return app;
}
