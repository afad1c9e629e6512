/** A line of a log as people read it on a terminal. Machines get the JSON that it is made of. */
import { inert, inertJson } from '#shared/protocol/foreign-text.ts';

/** pino's numbers. */
const LEVELS: Readonly<Record<number, string>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
const LEVEL_WIDTH = 5;

/**
 * @param json one line as pino writes it, with its line end
 * @param isForPeople a terminal reads it, not a machine
 */
export function logLine(json: string, isForPeople: boolean): string {
  const line = json.trimEnd();
  if (!isForPeople) return `${inertJson(line)}\n`;
  const { level, time, msg, err, ...rest } = JSON.parse(line) as {
    level: number;
    time: string;
    msg?: string;
    err?: { message?: string };
  };
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const said = [msg, err?.message, ...details].filter((part) => part !== undefined && part !== '');
  // the date is known to whoever sits before it; the time is UTC, as everywhere
  return `${time.slice(11, 19)} ${(LEVELS[level] ?? '').padEnd(LEVEL_WIDTH)} ${inert(said.join('  '))}\n`;
}
