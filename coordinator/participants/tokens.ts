/**
 * Tokens of operators and auditors, as the ledger tells of them: who could speak in an operator's name, from when to
 * when, and who gave them the means. The token itself is a secret of the deployment, and in no entry.
 */
import type { Journal } from '#coordinator/journal/journal.ts';
import { newToken } from '#coordinator/participants/access.ts';
import { charterHash } from '#coordinator/participants/enrolment.ts';
import type { NamedToken, Role, TokenStore } from '#coordinator/store/token-store.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const DAY_MS = 86_400_000;

export interface TokenDependencies {
  readonly tokens: TokenStore;
  readonly journal: Journal;
}

/**
 * @param wanted `token` is made here unless whoever keeps it has made it
 * @param by name of the operator's token with which this was asked for; none: the coordinator itself, at its start
 * @returns the token, which is nowhere else, and when it ends
 * @throws FederationError STATE when the name is taken
 */
export async function addToken(
  wanted: { name: string; role: Role; days: number; token?: string },
  by: string | undefined,
  { tokens, journal }: TokenDependencies,
): Promise<{ token: string; expiresAt: number }> {
  const { name, role, days, token = newToken(role) } = wanted;
  if (tokens.list().some((other) => other.name === name)) {
    throw new FederationError(
      'STATE',
      `there already is a token named "${name}"; remove it first or choose another name`,
    );
  }
  const now = journal.now();
  const expiresAt = now + Math.round(days * DAY_MS);
  // a crash after this leaves an entry about a token that nobody was given
  await journal.record('token', {
    ...{ charter: charterHash(journal), change: 'added', name, role, expiresAt },
    ...(by === undefined ? {} : { by }),
  });
  await tokens.add(name, role, token, now, expiresAt);
  return { token, expiresAt };
}

/** @throws FederationError NOT_FOUND, STATE when nobody could make tokens any more */
export async function removeToken(
  name: string,
  by: string | undefined,
  { tokens, journal }: TokenDependencies,
): Promise<void> {
  const { role, expiresAt }: NamedToken = tokens.named(name);
  await tokens.remove(name);
  await journal.record('token', {
    ...{ charter: charterHash(journal), change: 'removed', name, role, expiresAt },
    ...(by === undefined ? {} : { by }),
  });
}
