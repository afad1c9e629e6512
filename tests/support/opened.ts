/** What a test file opened is closed when its tests are over, newest first, whatever became of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const opened: (() => Promise<unknown> | void)[] = [];

export function closeLater(close: () => Promise<unknown> | void): void {
  opened.push(close);
}

/** An empty folder that is removed at the end. */
export async function temporaryFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `tallystick-${name}-`));
  closeLater(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** @throws AggregateError of what could not be closed */
export async function closeOpened(): Promise<void> {
  const failures: unknown[] = [];
  for (const close of opened.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed');
}
