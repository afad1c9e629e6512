/**
 * Everything that leaves the bank, one JSON line each in `state/egress.jsonl`: written down before it is sent, so that
 * what a crash cuts off is on the list too. What is on it has left perhaps not whole, or once more when the line broke
 * before the answer.
 */
import { appendFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '#shared/protocol/clock.ts';

/** One thing that left the bank. */
export const egressRecord = z.strictObject({
  time: z.string(),
  to: z.string(),
  what: z.string(),
  run: z.string().optional(),
  round: z.int().optional(),
  bytes: z.int(),
  detail: z.string(),
});
export type EgressRecord = z.infer<typeof egressRecord>;

/** What is told of a thing that leaves beside what it is. */
export type About = Pick<EgressRecord, 'run' | 'round' | 'detail'>;

/** The record of a message that is about to leave. @param to the coordinator's URL */
export function egressOf(
  message: { readonly type: string },
  to: string,
  clock: Clock,
  about: About,
): EgressRecord {
  const bytes = JSON.stringify(message).length;
  return { time: new Date(clock.now()).toISOString(), to, what: message.type, bytes, ...about };
}

/** The record of a body that is about to leave. @param bytes on the wire */
export function egressOfBody(bytes: number, to: string, clock: Clock, about: About): EgressRecord {
  return { time: new Date(clock.now()).toISOString(), to, what: 'body', bytes, ...about };
}

export class EgressLog {
  private readonly path: string;
  /** Whether the list ends with a whole line; known from the first record on. */
  private endsWhole: Promise<boolean> | undefined;

  /** @param folder the agent's */
  constructor(folder: string) {
    this.path = join(folder, 'state/egress.jsonl');
  }

  async record(...records: readonly EgressRecord[]): Promise<void> {
    // a line that was cut short ends here, lest it takes this one with it
    this.endsWhole ??= this.endsWithWholeLine();
    const start = (await this.endsWhole) ? '' : '\n';
    this.endsWhole = Promise.resolve(true);
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    appendFileSync(this.path, start + lines, { mode: 0o600 });
  }

  async records(): Promise<EgressRecord[]> {
    const lines = (await this.read()).split('\n');
    // the last line may be cut by a crash in the middle of writing it
    return lines.flatMap((line) => {
      try {
        return [egressRecord.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    });
  }

  private async endsWithWholeLine(): Promise<boolean> {
    await mkdir(dirname(this.path), { recursive: true });
    const text = await this.read();
    return text === '' || text.endsWith('\n');
  }

  private async read(): Promise<string> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }
}
