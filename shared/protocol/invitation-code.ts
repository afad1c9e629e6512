/**
 * What an operator hands to a bank, by a channel they trust: where the coordinator is, which consortium it
 * must be, and the one-time token. It pins the charter, so the agent cannot be sent to another consortium.
 */
import { z } from 'zod';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash, participantId } from '#shared/protocol/ids.ts';

const invitationCode = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  charter: hash,
  invite: hash,
  participant: participantId,
  token: z.string().min(20).max(100),
});
export type InvitationCode = z.infer<typeof invitationCode>;

const PREFIX = 'tally1.';

export function writeInvitationCode(code: InvitationCode): string {
  return PREFIX + toBase64Url(utf8(JSON.stringify(code)));
}

/** @throws FederationError INVITATION */
export function readInvitationCode(text: string): InvitationCode {
  try {
    if (!text.startsWith(PREFIX)) throw new RangeError('no prefix');
    const bytes = fromBase64Url(text.trim().slice(PREFIX.length));
    return invitationCode.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FederationError(
      'INVITATION',
      `expected an invitation code that starts with "${PREFIX}"; copy it whole`,
      { cause },
    );
  }
}
