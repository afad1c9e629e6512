/** JSON lines on stderr. Secrets and rows are never passed to it; the redaction list is the second lock. */
import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'passphrase', 'seed', 'key', '*.token', '*.passphrase'],
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
