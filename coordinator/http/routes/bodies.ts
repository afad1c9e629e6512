/**
 * Bodies, by root. A bank uploads only what it may be about to sign: an update of an open round, or its share
 * table while keys are dealt. Interrupted uploads resume: HEAD tells the offset, PUT goes on from it, or starts
 * over at 0. Downloads take Range.
 *
 *   HEAD /v1/bodies/:root   → 200 with Content-Length, or 404 with Upload-Offset
 *   PUT  /v1/bodies/:root   Upload-Offset, Upload-Length, bytes → 201 complete, or 202 with Upload-Offset
 *   GET  /v1/bodies/:root   → the bytes
 */
import { Router, type Request, type Response } from 'express';
import { authorised, hashInPath } from '#coordinator/http/route.ts';
import { countSent, sendFile } from '#coordinator/http/send-body.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Access, Caller } from '#coordinator/participants/access.ts';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';
import { layoutOf } from '#coordinator/rounds/share-tables.ts';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export interface BodyRouteDependencies {
  readonly access: Access;
  readonly bodies: BodyStore;
  readonly journal: Journal;
  readonly sums: ReadonlyMap<string, RunningSum>;
  readonly metrics: CoordinatorMetrics;
}

export function bodyRouter(deps: BodyRouteDependencies): Router {
  const router = Router();
  const { access, bodies, metrics } = deps;

  router.head('/:root', async (request, response) => {
    const caller = authorised(request, access, ['auditor', 'bank']);
    const root = rootOf(request);
    if (caller.kind !== 'bank') {
      const size = await bodies.size(root);
      response
        .status(size === undefined ? 404 : 200)
        .setHeader('content-length', size ?? 0)
        .end();
      return;
    }
    const { offset, complete } = await bodies.incoming.uploaded(caller.participant, root);
    response
      .status(complete ? 200 : 404)
      .setHeader(complete ? 'content-length' : 'upload-offset', offset)
      .end();
  });

  router.put('/:root', async (request, response) => {
    const caller = authorised(request, access, ['bank']);
    if (caller.kind !== 'bank') throw new FederationError('FORBIDDEN', 'only banks upload');
    const root = rootOf(request);
    const offset = byteCount(request, 'upload-offset');
    const length = byteCount(request, 'upload-length');
    assertExpected(deps, caller, length);
    const bytes = untilGone(request, metrics);
    const upload = { bank: caller.participant, root, offset, length, bytes };
    const complete = await bodies.incoming.receive(upload, () => request.destroy());
    if (complete) {
      response.status(201).end();
    } else {
      const { offset: now } = await bodies.incoming.uploaded(caller.participant, root);
      response.status(202).setHeader('upload-offset', now).end();
    }
  });

  router.get('/:root', async (request, response) => {
    const caller = authorised(request, access, ['auditor', 'bank']);
    const root = rootOf(request);
    if (caller.kind === 'bank' && !isForBanks(deps.journal.state, root)) throw notThere(root);
    await deps.journal.stored(); // the state is ahead of the disk
    const kept = bodies.inMemory(root);
    const size = kept?.bytes.length ?? (await bodies.size(root));
    if (size === undefined) throw notThere(root);
    if (kept !== undefined) response.once('close', () => kept.giveBack());
    countSent(response, metrics);
    // ranges and preconditions are left to express
    const plain = !Object.keys(request.headers).some((name) => name === 'range' || name.startsWith('if-'));
    if (!plain) return sendPart(bodies.path(root), request, response);
    response.type('application/octet-stream').setHeader('content-length', size);
    if (kept === undefined) {
      await sendFile(bodies.path(root), response);
      response.end();
      return undefined;
    }
    response.end(kept.bytes);
    return undefined;
  });

  return router;
}

/** The bytes of an upload; when the sender goes away in the middle, they simply end. */
async function* untilGone(request: Request, { bodyBytes }: CoordinatorMetrics): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const piece of request as AsyncIterable<Uint8Array>) {
      received += piece.length;
      yield piece;
    }
  } catch (error) {
    if (!request.destroyed) throw error;
  } finally {
    bodyBytes.inc({ direction: 'received' }, received);
  }
}

/** Express serves the file, with ranges; it is immutable, being named by its content. */
function sendPart(path: string, request: Request, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    response.type('application/octet-stream');
    response.sendFile(
      path,
      { cacheControl: true, immutable: true, maxAge: '1d', dotfiles: 'allow' },
      (error) => {
        const status = (error as { status?: number } | undefined)?.status;
        if (status === 412 || status === 416) response.status(status).end();
        // a reader that goes away is not our error
        if (error !== undefined && !request.destroyed && !response.headersSent) reject(error);
        else resolve();
      },
    );
  });
}

/** Banks may read contracts, sums with what is needed to check them, and models; never another bank's update. */
function isForBanks(state: FederationState, root: string): boolean {
  for (const run of state.runs.values()) {
    if (run.plan.contract === root) return true;
    if (run.phase.name === 'finished' && run.phase.result.artefact === root) return true;
    for (let i = run.past.length - 1; i >= 0; i--) {
      const { end } = run.past[i]!;
      if (end.outcome !== 'closed') continue;
      if (end.payload.sumRoot === root) return true;
    }
  }
  return false;
}

/**
 * The length of an upload must be that of an update of an open round, or of a share table of a session, so
 * that a bank cannot fill the disk.
 * @throws FederationError STATE
 */
function assertExpected(
  { sums, journal: { state } }: BodyRouteDependencies,
  caller: Caller & { kind: 'bank' },
  length: number,
): void {
  for (const [ctx, sum] of sums) {
    const run = state.runs.get(state.roundRuns.get(ctx)!);
    const open = run?.phase.name === 'collecting' ? run.phase.open : undefined;
    const takes = open?.hash === ctx && open.masked?.fixed === undefined && sum.bodyBytes === length;
    if (takes && open.roster.includes(caller.participant)) return;
  }
  if (expectsTable(state, caller.participant, length)) return;
  throw new FederationError(
    'STATE',
    `no open round expects a body of ${length} bytes from "${caller.participant}"`,
  );
}

function expectsTable(state: FederationState, participant: ParticipantId, length: number): boolean {
  for (const { session, phase } of state.runs.values()) {
    if (phase.name === 'finished' || session?.rosterHash === undefined) continue;
    if (session.sealed !== undefined || session.isVoid) continue;
    const fits = layoutOf(session).bytes === length;
    if (fits && session.payload.participants.includes(participant)) return true;
  }
  return false;
}

const rootOf = (request: Request): string => hashInPath(request, 'root', 'the root of a body');

function byteCount(request: Request, header: 'upload-offset' | 'upload-length'): number {
  const value = request.headers[header];
  if (typeof value !== 'string' || !/^\d{1,12}$/.test(value)) {
    throw new FederationError('SCHEMA', `expected the header ${header} with a number of bytes`);
  }
  return Number(value);
}

function notThere(root: string): FederationError {
  return new FederationError('NOT_FOUND', `no body ${root} that you may read`);
}
