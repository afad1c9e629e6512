/** Access tokens of operators and auditors, stored as hashes. */
import type { AccessTokensTable, Database } from '#coordinator/store/schema.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export type Role = AccessTokensTable['role'];

export class TokenStore {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  /** @throws FederationError STATE when the name is taken */
  async add(name: string, role: Role, token: string, now: number): Promise<void> {
    const inserted = await this.db
      .insertInto('access_tokens')
      .values({ hash: tokenHash(token), name, role, created_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows !== 1n) {
      throw new FederationError(
        'STATE',
        `there already is a token named "${name}"; remove it first or choose another name`,
      );
    }
  }

  async roleOf(token: string): Promise<Role | undefined> {
    const row = await this.db
      .selectFrom('access_tokens')
      .select('role')
      .where('hash', '=', tokenHash(token))
      .executeTakeFirst();
    return row?.role;
  }

  async list(): Promise<{ name: string; role: Role; createdAt: number }[]> {
    const rows = await this.db.selectFrom('access_tokens').selectAll().orderBy('created_at').execute();
    return rows.map((row) => ({ name: row.name, role: row.role, createdAt: Number(row.created_at) }));
  }

  /** @throws FederationError NOT_FOUND */
  async remove(name: string): Promise<void> {
    const removed = await this.db.deleteFrom('access_tokens').where('name', '=', name).executeTakeFirst();
    if (removed.numDeletedRows === 0n) throw new FederationError('NOT_FOUND', `no token named "${name}"`);
  }
}

function tokenHash(token: string): string {
  return toHex(sha256(utf8(`tallystick/v1 access-token\n${token}`)));
}
