/** The tables, as Kysely sees them. Both PostgreSQL and PGlite have exactly these. */
import type { ColumnType, Kysely } from 'kysely';

/** bigint: pg gives it as text, PGlite as a number. */
type BigInteger = ColumnType<string | number, number, number>;

export interface EntriesTable {
  seq: BigInteger;
  time: BigInteger;
  /** Message type. */
  type: string;
  /** The run it belongs to, or null. */
  run: string | null;
  /** What this entry uses up: two entries with one claim cannot both exist. */
  claim: string;
  /** Canonical JSON: the bytes that are hashed. */
  text: string;
}

export interface AccessTokensTable {
  /** SHA-256 of the token, hex: the token itself is not stored. */
  hash: string;
  name: string;
  role: 'operator' | 'auditor';
  created_at: BigInteger;
  expires_at: BigInteger;
  last_used_at: ColumnType<string | number | null, number | null, number>;
}

export interface LedgerWriterTable {
  /** Always 1. */
  id: number;
  term: BigInteger;
  /** A name nobody else has, of the process that raised the term last. */
  writer: string;
}

export interface Tables {
  entries: EntriesTable;
  ledger_writer: LedgerWriterTable;
  access_tokens: AccessTokensTable;
}

export type Database = Kysely<Tables>;
