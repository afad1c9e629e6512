/**
 * Access tokens of operators and auditors, stored as hashes. They are kept in memory too: anybody may present a
 * token, and what anybody may do must not cost a query. One coordinator has a database (its ledger sees to that),
 * so that nobody else writes them.
 */
import type { AccessTokensTable, Database } from '#coordinator/store/schema.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export type Role = AccessTokensTable['role'];

/** A token as people speak of it: without its secret. */
export interface NamedToken {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: number;
}

export class TokenStore {
  private readonly db: Database;
  /** By hash. */
  private readonly tokens: Map<string, NamedToken>;
  private readonly listeners: ((name: string) => void)[] = [];

  private constructor(db: Database, tokens: Map<string, NamedToken>) {
    this.db = db;
    this.tokens = tokens;
  }

  static async open(db: Database): Promise<TokenStore> {
    const rows = await db.selectFrom('access_tokens').selectAll().orderBy('created_at').execute();
    return new TokenStore(
      db,
      new Map(
        rows.map(({ hash, name, role, created_at }) => [hash, { name, role, createdAt: Number(created_at) }]),
      ),
    );
  }

  /** @throws FederationError STATE when the name is taken */
  async add(name: string, role: Role, token: string, now: number): Promise<void> {
    const hash = tokenHash(token);
    const inserted = await this.db
      .insertInto('access_tokens')
      .values({ hash, name, role, created_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows !== 1n) {
      throw new FederationError(
        'STATE',
        `there already is a token named "${name}"; remove it first or choose another name`,
      );
    }
    this.tokens.set(hash, { name, role, createdAt: now });
  }

  find(token: string): NamedToken | undefined {
    return this.tokens.get(tokenHash(token));
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
    const operators = this.list().filter(({ role }) => role === 'operator');
    if (token.role === 'operator' && operators.length === 1) {
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
