/** Who is asking: an operator or auditor by stored token, a bank by the token its socket was given. */
import { randomBytes } from 'node:crypto';
import type { Role, TokenStore } from '#coordinator/store/token-store.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export type Caller =
  | { readonly kind: 'public' }
  | { readonly kind: Role }
  | { readonly kind: 'bank'; readonly participant: ParticipantId };

export class Access {
  private readonly tokens: TokenStore;
  private readonly banks = new Map<string, ParticipantId>();

  constructor(tokens: TokenStore) {
    this.tokens = tokens;
  }

  /** A token for a bank's HTTP requests, good until it is revoked with its socket. */
  grantBank(participant: ParticipantId): string {
    const token = newToken('bank');
    this.banks.set(token, participant);
    return token;
  }

  revokeBank(token: string): void {
    this.banks.delete(token);
  }

  /** @param authorization the HTTP header, or undefined */
  async identify(authorization: string | undefined): Promise<Caller> {
    const token = /^Bearer ([A-Za-z0-9._-]{20,200})$/.exec(authorization ?? '')?.[1];
    if (token === undefined) return { kind: 'public' };
    const participant = this.banks.get(token);
    if (participant !== undefined) return { kind: 'bank', participant };
    const role = await this.tokens.roleOf(token);
    return role === undefined ? { kind: 'public' } : { kind: role };
  }
}

/** 256 random bits, with a prefix that tells people and secret scanners what it is. */
export function newToken(what: 'bank' | 'operator' | 'auditor' | 'invite'): string {
  return `tally_${what}_${randomBytes(32).toString('base64url')}`;
}
