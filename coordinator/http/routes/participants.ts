/** Banks: invitations, enrolment, admission. */
import { z } from 'zod';
import { operatorOf, route, type Route } from '#coordinator/http/route.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import { admitBank, charterHash, enrolBank, inviteBank } from '#coordinator/participants/enrolment.ts';
import { revokeBank, rotateBankKey } from '#coordinator/participants/key-changes.ts';
import type { Presence } from '#coordinator/participants/presence.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import type { Participant } from '#shared/ledger/federation-state.ts';
import { legible } from '#shared/protocol/foreign-text.ts';
import { hash, key32, participantId, timeMs } from '#shared/protocol/ids.ts';

export const participantView = z
  .strictObject({
    participant: participantId,
    status: z.enum(['enrolled', 'admitted', 'revoked']),
    fingerprint: z.string(),
    identityKey: key32,
    enrolledAt: timeMs,
    connected: z.boolean(),
  })
  .meta({ id: 'Participant' });

export interface ParticipantRouteDependencies {
  readonly journal: Journal;
  readonly presence: Presence;
}

export function participantRoutes({ journal, presence }: ParticipantRouteDependencies): Route[] {
  const view = ({ id, status, identityKey, enrolledAt }: Participant): z.infer<typeof participantView> => ({
    participant: id,
    status,
    fingerprint: keyFingerprint(identityKey),
    identityKey,
    enrolledAt,
    connected: presence.awaySince(id) === undefined,
  });
  const byId = z.strictObject({ participant: participantId });

  return [
    route({
      method: 'get',
      path: '/charter',
      summary: 'The consortium: its keys and the hash of its charter, which invitations and auditors pin.',
      who: ['public'],
      response: z.strictObject({
        charter: hash,
        consortium: z.string(),
        origin: z.string(),
        coordinatorKey: key32,
        logKey: key32,
      }),
      handle() {
        const charter = charterHash(journal);
        const { consortium, origin } = journal.state.charter!.payload;
        const [coordinatorKey, logKey] = [journal.state.coordinatorKey!, journal.state.logKey!];
        return { charter, consortium, origin, coordinatorKey, logKey };
      },
    }),
    route({
      method: 'post',
      path: '/invitations',
      summary: 'Invite one bank, once. The code in the answer is shown only here.',
      who: ['operator'],
      body: z.strictObject({
        participant: participantId,
        /** Where the bank's agent reaches this coordinator. */
        url: z.url({ protocol: /^https?$/ }),
        validHours: z
          .number()
          .positive()
          .max(24 * 30)
          .default(72),
      }),
      response: z.strictObject({ code: z.string() }),
      handle: async ({ body, caller }) => ({
        code: await inviteBank(
          body.participant,
          body.url,
          body.validHours * 3_600_000,
          operatorOf(caller),
          journal,
        ),
      }),
    }),
    route({
      method: 'post',
      path: '/enrolments',
      summary: 'A bank presents its invitation and its identity key, signed with that key.',
      who: ['public'],
      body: z.unknown(),
      response: participantView,
      handle: async ({ body }) => view(await enrolBank(body, journal)),
    }),
    route({
      method: 'get',
      path: '/participants',
      summary: 'All banks that have enrolled.',
      who: ['auditor'],
      response: z.strictObject({ participants: z.array(participantView) }),
      handle: () => ({ participants: [...journal.state.participants.values()].map(view) }),
    }),
    route({
      method: 'post',
      path: '/participants/:participant/admission',
      summary: 'Admit a bank whose fingerprint was compared over another channel.',
      who: ['operator'],
      params: byId,
      body: z.strictObject({ fingerprint: z.string().max(40) }),
      response: participantView,
      handle: async ({ params, body, caller }) =>
        view(await admitBank(params.participant, body.fingerprint, operatorOf(caller), journal)),
    }),
    route({
      method: 'post',
      path: '/participants/:participant/keys',
      summary: "A bank changes its keys: signed with the old identity key, with the new one's proof.",
      who: ['public'],
      params: byId,
      body: z.unknown(),
      response: participantView,
      handle: async ({ params, body }) => view(await rotateBankKey(params.participant, body, journal)),
    }),
    route({
      method: 'post',
      path: '/participants/:participant/revocation',
      summary: 'Take nothing any more that this bank signs. What it signed before stays valid.',
      who: ['operator'],
      params: byId,
      body: z.strictObject({ reason: legible(z.string().min(1).max(500)) }),
      response: participantView,
      handle: async ({ params, body, caller }) =>
        view(await revokeBank(params.participant, body.reason, operatorOf(caller), journal)),
    }),
  ];
}
