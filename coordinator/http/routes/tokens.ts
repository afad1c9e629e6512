/** Access tokens for operators and auditors: made here, shown once, stored as hashes, told of in the ledger. */
import { z } from 'zod';
import { operatorOf, route, type Route } from '#coordinator/http/route.ts';
import { addToken, removeToken, type TokenDependencies } from '#coordinator/participants/tokens.ts';
import { timeMs } from '#shared/protocol/ids.ts';
import { operatorName } from '#shared/protocol/payloads/fields.ts';

const role = z.enum(['operator', 'auditor']);

export function tokenRoutes(deps: TokenDependencies): Route[] {
  return [
    route({
      method: 'post',
      path: '/tokens',
      summary: 'Make an access token. It is in the answer and nowhere else.',
      who: ['operator'],
      body: z.strictObject({
        /** Who it is for: entries that are caused with it say so. */
        name: operatorName,
        role,
        days: z.number().positive().max(3650).default(90),
      }),
      response: z.strictObject({ name: operatorName, role, expiresAt: timeMs, token: z.string() }),
      async handle({ body: { name, role: wanted, days }, caller }) {
        const made = await addToken({ name, role: wanted, days }, operatorOf(caller), deps);
        return { name, role: wanted, ...made };
      },
    }),
    route({
      method: 'get',
      path: '/tokens',
      summary:
        'The names and roles of all access tokens, when they end and when they were used last (to the hour).',
      who: ['operator'],
      response: z.strictObject({
        tokens: z.array(
          z.strictObject({
            ...{ name: operatorName, role, createdAt: timeMs, expiresAt: timeMs },
            lastUsedAt: timeMs.nullable(),
          }),
        ),
      }),
      handle: () => ({ tokens: deps.tokens.list() }),
    }),
    route({
      method: 'post',
      path: '/tokens/:name/removal',
      summary: 'Make a token worthless. The last one of an operator stays: nobody could make another.',
      who: ['operator'],
      params: z.strictObject({ name: operatorName }),
      response: z.strictObject({ name: operatorName }),
      async handle({ params, caller }) {
        await removeToken(params.name, operatorOf(caller), deps);
        return params;
      },
    }),
  ];
}
