/**
 * What this bank has promised in one run, as a file of lines, each synced to disk before the message in it is sent:
 *
 *   state/promises/<run>.jsonl    {"purposes": [...], "message": {...}}
 *
 * A line that a crash cut short was never sent, so it is dropped.
 */
import { open, readFile, truncate, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, syncFolder } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { parseMessage, type Message } from '#shared/protocol/messages.ts';

export class PromiseFile {
  private readonly file: FileHandle;
  private readonly kept = new Map<string, Message>();
  /** Lines are written one after the other. */
  private turn: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.file = file;
  }

  /** @throws FederationError STORAGE when a line other than the last is damaged */
  static async open(path: string): Promise<PromiseFile> {
    await makeFolder(dirname(path));
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    const promises = new PromiseFile(await open(path, 'a', 0o600));
    // lines are synced as they come, but they are lost with the name of a new file
    await syncFolder(dirname(path));
    for (const line of whole.split('\n')) {
      if (line === '') continue;
      try {
        const { purposes, message } = JSON.parse(line) as { purposes: string[]; message: unknown };
        const parsed = parseMessage(message);
        for (const purpose of purposes) promises.kept.set(purpose, parsed);
      } catch (cause) {
        await promises.close();
        throw new FederationError(
          'STORAGE',
          `${path} is damaged: without it this agent cannot know what it has signed. Restore it, or stay out of the run`,
          { cause },
        );
      }
    }
    return promises;
  }

  /** What was promised before this process, by purpose. */
  get all(): ReadonlyMap<string, Message> {
    return this.kept;
  }

  /** On disk for all these purposes, or for none, when it resolves. */
  put(purposes: readonly string[], message: Message): Promise<void> {
    const line = `${JSON.stringify({ purposes, message })}\n`;
    this.turn = this.turn.then(async () => {
      await this.file.appendFile(line);
      await this.file.datasync();
    });
    return this.turn;
  }

  async close(): Promise<void> {
    await this.turn.catch(() => {});
    await this.file.close();
  }
}
