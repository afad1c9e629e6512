/** Looking after the ledger: retention, incidents, the coordinator's keys. */
import { z } from 'zod';
import { operatorOf, route, type Route } from '#coordinator/http/route.ts';
import { charterHash } from '#coordinator/participants/enrolment.ts';
import { expireBodies, type RetentionDependencies } from '#coordinator/retention.ts';
import { legible } from '#shared/protocol/foreign-text.ts';
import { hash, key32 } from '#shared/protocol/ids.ts';

const DAY_MS = 86_400_000;

export interface UpkeepRouteDependencies {
  readonly retention: RetentionDependencies;
  /** Makes a new ledger key and puts it in force. */
  readonly rotateLogKey: (by: string) => Promise<void>;
  /** Makes a new key for the coordinator's messages and puts it in force. */
  readonly rotateCoordinatorKey: (by: string) => Promise<void>;
}

export function upkeepRoutes({
  retention,
  rotateLogKey,
  rotateCoordinatorKey,
}: UpkeepRouteDependencies): Route[] {
  const { journal } = retention;
  return [
    route({
      method: 'post',
      path: '/retention',
      summary: 'Delete the bodies of runs that ended long enough ago. Entries and models stay.',
      who: ['operator'],
      body: z.strictObject({ keepDays: z.number().min(0).max(36_500) }),
      response: z.strictObject({ runs: z.array(hash) }),
      handle: async ({ body, caller }) => ({
        runs: await expireBodies(body.keepDays * DAY_MS, operatorOf(caller), retention),
      }),
    }),
    route({
      method: 'post',
      path: '/incidents',
      summary: 'Record something that people who read the ledger later should know.',
      who: ['operator'],
      body: z.strictObject({ reason: legible(z.string().min(1).max(500)) }),
      response: z.strictObject({ recorded: z.literal(true) }),
      async handle({ body, caller }) {
        const by = operatorOf(caller);
        await journal.record('incident', { charter: charterHash(journal), reason: body.reason, by });
        return { recorded: true } as const;
      },
    }),
    route({
      method: 'post',
      path: '/ledger/key',
      summary: "Change the key that signs the ledger's heads; the old key endorses the new one.",
      who: ['operator'],
      body: z.strictObject({}),
      response: z.strictObject({ logKey: key32 }),
      async handle({ caller }) {
        await rotateLogKey(operatorOf(caller));
        return { logKey: journal.state.logKey! };
      },
    }),
    route({
      method: 'post',
      path: '/ledger/identity',
      summary: "Change the key that signs the coordinator's messages; the old key signs the change.",
      who: ['operator'],
      body: z.strictObject({}),
      response: z.strictObject({ coordinatorKey: key32 }),
      async handle({ caller }) {
        await rotateCoordinatorKey(operatorOf(caller));
        return { coordinatorKey: journal.state.coordinatorKey! };
      },
    }),
  ];
}
