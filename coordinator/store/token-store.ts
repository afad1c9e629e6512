/**
 * Access tokens of operators and auditors, stored as hashes. They are kept in memory too: anybody may present a
 * token, and what anybody may do must not cost a query. One coordinator has a database (its ledger sees to that),
 * so that nobody else writes them.
 */
import type { AccessTokensTable, Database } from '#coordinator/store/schema.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export type Role = AccessTokensTable['role'];

/** A token as people speak of it: without its secret. */
export interface NamedToken {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: number;
  /** Worth nothing from then on. */
  readonly expiresAt: number;
  /** Null when it never was. */
  readonly lastUsedAt: number | null;
}

/** `last_used_at` is written so often at most: whoever uses a token must not wait for a disk. */
const USE_NOTED_EVERY_MS = 3_600_000;
const DAYS_90_MS = 90 * 86_400_000;

export class TokenStore {
  private readonly db: Database;
  private readonly clock: Clock;
  /** By hash. */
  private readonly tokens: Map<string, NamedToken>;
  private readonly listeners: ((name: string) => void)[] = [];

  private constructor(db: Database, clock: Clock, tokens: Map<string, NamedToken>) {
    this.db = db;
    this.clock = clock;
    this.tokens = tokens;
  }

  static async open(db: Database, clock: Clock): Promise<TokenStore> {
    const rows = await db.selectFrom('access_tokens').selectAll().orderBy('created_at').execute();
    return new TokenStore(
      db,
      clock,
      new Map(
        rows.map(({ hash, name, role, created_at, expires_at, last_used_at }) => [
          hash,
          {
            ...{ name, role, createdAt: Number(created_at), expiresAt: Number(expires_at) },
            lastUsedAt: last_used_at === null ? null : Number(last_used_at),
          },
        ]),
      ),
    );
  }

  /** @throws FederationError STATE when the name is taken */
  async add(
    name: string,
    role: Role,
    token: string,
    now: number,
    expiresAt = now + DAYS_90_MS,
  ): Promise<void> {
    const hash = tokenHash(token);
    const inserted = await this.db
      .insertInto('access_tokens')
      .values({ hash, name, role, created_at: now, expires_at: expiresAt, last_used_at: null })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows !== 1n) {
      throw new FederationError(
        'STATE',
        `there already is a token named "${name}"; remove it first or choose another name`,
      );
    }
    this.tokens.set(hash, { name, role, createdAt: now, expiresAt, lastUsedAt: null });
  }

  /** What is known of this token, also when its time is over. */
  find(token: string): NamedToken | undefined {
    return this.tokens.get(tokenHash(token));
  }

  /** Somebody shows this token. @returns undefined when nobody has it, or its time is over */
  use(token: string): NamedToken | undefined {
    const hash = tokenHash(token);
    const found = this.tokens.get(hash);
    const now = this.clock.now();
    if (found === undefined || found.expiresAt <= now) return undefined;
    if (found.lastUsedAt === null || now - found.lastUsedAt >= USE_NOTED_EVERY_MS) {
      this.tokens.set(hash, { ...found, lastUsedAt: now });
      const noted = this.db.updateTable('access_tokens').set({ last_used_at: now }).where('hash', '=', hash);
      noted.execute().catch(() => {}); // it is noted at the next use, and what else is amiss others will say
    }
    return found;
  }

  /** @throws FederationError NOT_FOUND */
  named(name: string): NamedToken {
    const found = this.list().find((token) => token.name === name);
    if (found === undefined) throw new FederationError('NOT_FOUND', `no token named "${name}"`);
    return found;
  }

  /** The oldest first. */
  list(): NamedToken[] {
    return [...this.tokens.values()];
  }

  /** Called when a token is worthless. */
  onRemoved(listener: (name: string) => void): void {
    this.listeners.push(listener);
  }

  /** @throws FederationError NOT_FOUND, STATE when nobody could make tokens any more */
  async remove(name: string): Promise<void> {
    const found = [...this.tokens].find(([, token]) => token.name === name);
    if (found === undefined) throw new FederationError('NOT_FOUND', `no token named "${name}"`);
    const [hash, token] = found;
    const others = this.list().filter(
      (other) => other.role === 'operator' && other !== token && other.expiresAt > this.clock.now(),
    );
    if (token.role === 'operator' && token.expiresAt > this.clock.now() && others.length === 0) {
      throw new FederationError(
        'STATE',
        `"${name}" is the last operator's token: without it nobody could make another; add one first`,
      );
    }
    this.tokens.delete(hash); // worthless from this moment on, not only once the disk knows
    try {
      await this.db.deleteFrom('access_tokens').where('hash', '=', hash).execute();
    } catch (error) {
      this.tokens.set(hash, token); // it would be back after the next start: whoever removes it has to hear that
      throw error;
    }
    for (const listener of this.listeners) listener(name);
  }
}

function tokenHash(token: string): string {
  return toHex(sha256(utf8(`tallystick/v1 access-token\n${token}`)));
}
