/** Branded ids and the byte-string formats that appear in messages. */
import { z } from 'zod';

/** A bank's name on the wire and in the roster; also a safe file name. */
export const participantId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens, 1 to 63 of them')
  .brand<'ParticipantId'>();
export type ParticipantId = z.infer<typeof participantId>;

/** SHA-256 values, Merkle roots and message hashes: 32 bytes as 64 lower-case hex digits. */
export const hash = z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits');

/** A run is named by the message hash of its signed proposal. */
export const runId = hash.brand<'RunId'>();
export type RunId = z.infer<typeof runId>;

/** 32 bytes in unpadded base64url: public keys. */
export const key32 = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, '32 bytes in base64url');

/** 64 bytes in unpadded base64url: Ed25519 signatures. */
export const signature64 = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, '64 bytes in base64url');

/** Milliseconds since 1970, up to the last one that has a date: reports say times as dates. */
export const timeMs = z.int().min(0).max(8_640_000_000_000_000);
