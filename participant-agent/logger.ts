/** JSON lines on stderr, or readable ones on a terminal. Secrets and rows are never passed to it; the redaction list is the second lock. */
import { isatty } from 'node:tty';
import pino, { type Logger } from 'pino';
import { logLine } from '#shared/protocol/log-line.ts';

export type { Logger } from 'pino';

export function createLogger(level: string): Logger {
  const out = pino.destination({ dest: 2, sync: true });
  const isForPeople = isatty(2);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'passphrase', 'seed', 'key', '*.token', '*.passphrase'],
    },
    { write: (line: string) => void out.write(logLine(line, isForPeople)) },
  );
}
