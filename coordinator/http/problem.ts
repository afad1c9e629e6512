/** Errors as RFC 9457 problem details: code, what was expected, what came, what to do next. */
import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { CoordinatorEvents } from '#coordinator/events.ts';
import { asStorageError } from '#coordinator/store/storage-error.ts';
import { ERROR_CODES, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

export const notFound: RequestHandler = (request) => {
  throw new FederationError('NOT_FOUND', `no ${request.method} ${request.path}; see /v1/openapi.json`);
};

export function problemHandler(events: CoordinatorEvents): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error); // express ends the connection: the status is already out
      return;
    }
    const { code, detail } = describe(error);
    const requestId = response.getHeader('x-request-id') as string | undefined;
    if (code === 'INTERNAL' || code === 'STORAGE' || code === 'DATABASE')
      events.internalError(error, requestId);
    const { status, title, retryable } = ERROR_CODES[code];
    response.status(status).type('application/problem+json').json({
      type: 'about:blank',
      title,
      status,
      detail,
      code,
      retryable,
      requestId,
    });
  };
}

function describe(thrown: unknown): { code: ErrorCode; detail: string } {
  const error = asStorageError(thrown);
  if (error instanceof FederationError) return { code: error.code, detail: error.message };
  // what express and its body parser throw carries a status of its own
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  if (status === 413) return { code: 'TOO_LARGE', detail: 'the request body is larger than the limit' };
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { code: 'SCHEMA', detail: 'the request is not well formed' };
  return { code: 'INTERNAL', detail: 'internal error; see the coordinator log under this request id' };
}
