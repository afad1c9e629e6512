/** Who is asking: an operator or auditor by stored token, a bank by the token its socket was given. */
import { randomBytes } from 'node:crypto';
import { addressGroup } from '#coordinator/participants/client-address.ts';
import type { Strangers } from '#coordinator/participants/strangers.ts';
import type { Role, TokenStore } from '#coordinator/store/token-store.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export type Caller =
  | { readonly kind: 'public' }
  | { readonly kind: Role; readonly tokenName: string }
  | { readonly kind: 'bank'; readonly participant: ParticipantId };

export class Access {
  private readonly tokens: TokenStore;
  private readonly strangers: Strangers;
  private readonly banks = new Map<string, ParticipantId>();

  constructor(tokens: TokenStore, strangers: Strangers) {
    this.tokens = tokens;
    this.strangers = strangers;
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

  /**
   * From memory: a stranger's token costs a hash and nothing else.
   * @param authorization the HTTP header, or undefined
   * @param address where it comes from
   * @throws FederationError RATE_LIMIT after too many unknown tokens; a known one is let in always, else whoever
   *   shares an address with a bank could lock it out
   */
  identify(authorization: string | undefined, address: string): Caller {
    const token = bearer(authorization);
    if (token === undefined) return { kind: 'public' };
    const caller = this.known(token);
    if (caller === undefined) this.strangers.wrongToken(addressGroup(address));
    return caller ?? { kind: 'public' };
  }

  /** Whose token the header holds, as a name that no address has; undefined when it is nobody's. */
  holderOf(authorization: string | undefined): string | undefined {
    const token = bearer(authorization);
    const caller = token === undefined ? undefined : this.known(token);
    if (caller === undefined || caller.kind === 'public') return undefined;
    return caller.kind === 'bank' ? `bank ${caller.participant}` : `token ${caller.tokenName}`;
  }

  private known(token: string): Caller | undefined {
    const participant = this.banks.get(token);
    if (participant !== undefined) return { kind: 'bank', participant };
    const stored = this.tokens.use(token);
    return stored && { kind: stored.role, tokenName: stored.name };
  }
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9._-]{20,200})$/.exec(authorization ?? '')?.[1];
}

/** 256 random bits, with a prefix that tells people and secret scanners what it is. */
export function newToken(what: 'bank' | 'operator' | 'auditor' | 'invite'): string {
  return `tally_${what}_${randomBytes(32).toString('base64url')}`;
}
