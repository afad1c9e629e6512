/** Access tokens for operators and auditors: made here, shown once, stored as hashes. */
import { z } from 'zod';
import { route, type Route } from '#coordinator/http/route.ts';
import { newToken } from '#coordinator/participants/access.ts';
import type { TokenStore } from '#coordinator/store/token-store.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { timeMs } from '#shared/protocol/ids.ts';

const role = z.enum(['operator', 'auditor']);
const name = z.string().regex(/^[\w.@-]{1,60}$/);

export function tokenRoutes({ tokens, clock }: { tokens: TokenStore; clock: Clock }): Route[] {
  return [
    route({
      method: 'post',
      path: '/tokens',
      summary: 'Make an access token. It is in the answer and nowhere else.',
      who: ['operator'],
      body: z.strictObject({ name, role }),
      response: z.strictObject({ name, role, token: z.string() }),
      async handle({ body }) {
        const token = newToken(body.role);
        await tokens.add(body.name, body.role, token, clock.now());
        return { ...body, token };
      },
    }),
    route({
      method: 'get',
      path: '/tokens',
      summary: 'The names and roles of all access tokens.',
      who: ['operator'],
      response: z.strictObject({ tokens: z.array(z.strictObject({ name, role, createdAt: timeMs })) }),
      handle: () => ({ tokens: tokens.list() }),
    }),
    route({
      method: 'post',
      path: '/tokens/:name/removal',
      summary: 'Make a token worthless. The last one of an operator stays: nobody could make another.',
      who: ['operator'],
      params: z.strictObject({ name }),
      response: z.strictObject({ name }),
      async handle({ params }) {
        await tokens.remove(params.name);
        return params;
      },
    }),
  ];
}
