import { sql, type Kysely } from 'kysely';

/** Tokens end by themselves, and it is known which are in use. Those of before get 90 days from when they were made. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('access_tokens')
    .addColumn('expires_at', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('access_tokens').addColumn('last_used_at', 'bigint').execute();
  await sql`update access_tokens set expires_at = created_at + 7776000000`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('access_tokens').dropColumn('last_used_at').execute();
  await db.schema.alterTable('access_tokens').dropColumn('expires_at').execute();
}
