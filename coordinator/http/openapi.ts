/** The OpenAPI 3.1 document, from the same schemas that check requests. */
import { createDocument, type ZodOpenApiPathsObject } from 'zod-openapi';
import { z } from 'zod';
import type { Route } from '#coordinator/http/route.ts';
import { hash } from '#shared/protocol/ids.ts';

const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    retryable: z.boolean(),
    requestId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });

const requestParams = { path: z.object({ root: hash }) };

const binaryPaths: ZodOpenApiPathsObject = {
  '/v1/rounds/{ctx}/vectors': {
    get: {
      summary: 'The masked vectors in a closed sum, or one of them, for banks that check it.',
      requestParams: {
        path: z.object({ ctx: hash }),
        query: z.object({ of: z.int().optional().meta({ description: 'index of the one survivor' }) }),
      },
      responses: { 200: { description: 'One vector after the other, in the order of the survivors.' } },
    },
  },
  '/v1/sessions/{session}/shares': {
    get: {
      summary: 'What the dealers of a session dealt to the bank that asks.',
      requestParams: { path: z.object({ session: hash }) },
      responses: { 200: { description: 'One package after the other, in the order of the dealers.' } },
    },
  },
  '/v1/bodies/{root}': {
    get: {
      summary: 'A body by its root; takes Range.',
      requestParams,
      responses: { 200: { description: 'The bytes.' } },
    },
    head: {
      summary: 'Whether a body is here, or where its upload stands.',
      requestParams,
      responses: { 200: { description: 'It is.' } },
    },
    put: {
      summary: 'Upload a body, from Upload-Offset on.',
      requestParams,
      responses: { 201: { description: 'Complete.' } },
    },
  },
};

export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const { method, path, summary, who, body, query, params, response } of routes) {
    const open = who.includes('public');
    paths[`/v1${path.replaceAll(/:(\w+)/g, '{$1}')}`] ??= {};
    paths[`/v1${path.replaceAll(/:(\w+)/g, '{$1}')}`]![method] = {
      summary,
      security: open ? [] : [{ token: [] }],
      description: open ? 'Public.' : `For: ${who.join(', ')}.`,
      ...(body === undefined ? {} : { requestBody: { content: { 'application/json': { schema: body } } } }),
      requestParams: {
        ...(query === undefined ? {} : { query: query as z.ZodObject }),
        ...(params === undefined ? {} : { path: params as z.ZodObject }),
      },
      responses: {
        200: { description: 'Done.', content: { 'application/json': { schema: response } } },
        default: { description: 'Not done.', content: { 'application/problem+json': { schema: problem } } },
      },
    };
  }
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'Tallystick coordinator', version },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths: { ...paths, ...binaryPaths },
  });
}
