/** Connections to PostgreSQL, whose faults come out as DATABASE; one that has failed is not used again. */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { asDatabaseFault } from '#coordinator/store/database-fault.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** The largest page of entries takes well below a second. */
const QUERY_MS_MAX = 30_000;
const CONNECT_MS_MAX = 10_000;

export function postgresPool(connectionString: string): PostgresPool {
  const pool = new pg.Pool({
    ...{ connectionString, max: 8, connectionTimeoutMillis: CONNECT_MS_MAX },
    // a database that vanishes without a word is an error in time, not a reply that is waited for
    ...{ keepAlive: true, query_timeout: QUERY_MS_MAX },
  });
  // a connection that breaks while idle is replaced at the next query, which reports what is wrong
  pool.on('error', () => {});
  // one that breaks between two queries of its holder has nobody else to tell: unheard, it would end the process
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    async connect() {
      try {
        return watched(await pool.connect());
      } catch (error) {
        throw asDatabaseFault(error, 'PostgreSQL (DATABASE_URL)');
      }
    },
    end: () => pool.end(),
  };
}

function watched(client: pg.PoolClient): PostgresPoolClient {
  let failed = false;
  const query = async (sql: string, parameters: readonly unknown[]): Promise<unknown> => {
    try {
      return await client.query(sql, [...parameters]);
    } catch (thrown) {
      const error = asDatabaseFault(thrown, 'PostgreSQL (DATABASE_URL)');
      // its last statement may still be under way, and the next one would wait behind it
      failed ||= error instanceof FederationError;
      throw error;
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    release: () => client.release(failed),
  };
}
