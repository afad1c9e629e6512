/** Follows a run to its end, drawing it on the way. */
import type { OperatorClient } from '#scripts/operator/operator-client.ts';
import { RunScreen } from '#scripts/operator/run-screen.ts';
import { RunTally } from '#scripts/operator/run-tally.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';

const REDRAW_MS = 100;

export interface WatchOptions {
  /** Nothing is drawn; for machines. */
  readonly quiet?: boolean;
  /** Called with each new entry. */
  readonly onEntry?: (entry: Entry) => void;
  /** Stops watching; the run goes on. */
  readonly signal?: AbortSignal;
}

/** @returns the run when it is finished, or as it stood when `signal` aborted */
export async function watchRun(client: OperatorClient, id: RunId, options: WatchOptions = {}): Promise<Run> {
  const tally = new RunTally(id);
  const screen = new RunScreen();
  let changed = true;
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  options.signal?.addEventListener('abort', finish, { once: true });

  const { socket, connected } = await client.watch(id, (entry) => {
    if (!tally.take(entry)) return;
    changed = true;
    options.onEntry?.(entry);
    if (tally.run?.phase.name === 'finished') finish();
  });
  for (const participant of connected) tally.connected.add(participant);
  socket.on('presence', (change) => {
    if (change.connected) tally.connected.add(change.participant);
    else tally.connected.delete(change.participant);
    changed = true;
  });
  socket.on('progress', (report) => {
    tally.progress.set(report.participant, report);
    changed = true;
  });
  const redraw = (): void => {
    if (changed && options.quiet !== true) screen.draw(tally);
    changed = false;
  };
  redraw();
  const timer = setInterval(redraw, REDRAW_MS);
  try {
    await finished;
  } finally {
    clearInterval(timer);
    redraw();
    screen.end();
    socket.disconnect();
  }
  return tally.run!;
}
