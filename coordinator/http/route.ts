/**
 * A route of the REST API: its schemas check what comes in and are its OpenAPI description; there is no
 * second place where its shape is written.
 */
import assert from 'node:assert/strict';
import type { Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import type { Access, Caller } from '#coordinator/participants/access.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

/** `operator` may do what `auditor` may; `bank` stands for any admitted bank. */
export type Who = 'public' | 'auditor' | 'operator' | 'bank';

export interface RouteInput<Body, Query, Params> {
  readonly body: Body;
  readonly query: Query;
  readonly params: Params;
  readonly caller: Caller;
}

export interface Route {
  readonly method: 'get' | 'post';
  /** In Express form, below /v1. */
  readonly path: string;
  readonly summary: string;
  readonly who: readonly Who[];
  readonly body?: z.ZodType;
  readonly query?: z.ZodType;
  readonly params?: z.ZodType;
  readonly response: z.ZodType;
  readonly handler: (deps: RouteDependencies) => RequestHandler;
}

export interface RouteDependencies {
  readonly access: Access;
  /** Resolves when what the state says now is durable; rejects when it will never be. */
  readonly stored: () => Promise<void>;
}

/** Types the handler from the schemas. The response schema is documentation and types, not run. */
export function route<
  Body extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Params extends z.ZodType = z.ZodUndefined,
  Result extends z.ZodType = z.ZodType,
>(definition: {
  method: Route['method'];
  path: string;
  summary: string;
  who: readonly Who[];
  body?: Body;
  query?: Query;
  params?: Params;
  response: Result;
  handle(
    input: RouteInput<z.infer<Body>, z.infer<Query>, z.infer<Params>>,
  ): Promise<z.infer<Result>> | z.infer<Result>;
}): Route {
  const { handle, ...described } = definition;
  return {
    ...described,
    handler:
      ({ access, stored }) =>
      async (request, response) => {
        const caller = authorised(request, access, definition.who);
        const input = {
          caller,
          body: parsed(definition.body, request.body, 'the body') as z.infer<Body>,
          query: parsed(definition.query, request.query, 'the query') as z.infer<Query>,
          params: parsed(definition.params, request.params, 'the path') as z.infer<Params>,
        };
        let result: z.infer<Result>;
        try {
          result = await handle(input);
        } finally {
          // after the answer was made, a refusal too: by then the state may have been ahead of the disk
          await stored();
        }
        respond(response, result);
      },
  };
}

function respond(response: Response, result: unknown): void {
  if (typeof result === 'string') response.type('text/plain').send(result);
  else response.json(result);
}

/** @throws FederationError UNAUTHENTICATED | FORBIDDEN | RATE_LIMIT */
export function authorised(request: Request, access: Access, who: readonly Who[]): Caller {
  const caller = access.identify(request.headers.authorization, request.ip ?? '');
  if (who.includes('public') || who.includes(caller.kind)) return caller;
  if (caller.kind === 'operator' && who.includes('auditor')) return caller;
  if (caller.kind === 'public') {
    throw new FederationError(
      'UNAUTHENTICATED',
      `expected "Authorization: Bearer …" with a token of: ${who.join(', ')}`,
    );
  }
  throw new FederationError(
    'FORBIDDEN',
    `expected a token of: ${who.join(', ')}; this one is of: ${caller.kind}`,
  );
}

/** The name of the operator who asks, on a route that is for operators only. */
export function operatorOf(caller: Caller): string {
  assert(caller.kind === 'operator');
  return caller.tokenName;
}

/** The hash of a `what` in a path. @throws FederationError SCHEMA */
export function hashInPath(request: Request, name: string, what: string): string {
  const result = hash.safeParse(request.params[name]);
  if (result.success) return result.data;
  throw new FederationError('SCHEMA', `expected ${what} in the path: 64 hex digits`);
}

/** @throws FederationError SCHEMA naming the place and the field */
function parsed(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (schema === undefined) return undefined;
  let result;
  try {
    result = schema.safeParse(value ?? {});
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FederationError('SCHEMA', `${place} is nested too deeply`, { cause });
  }
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new FederationError('SCHEMA', `${place}: ${issue.path.join('.') || 'value'}: ${issue.message}`);
}
