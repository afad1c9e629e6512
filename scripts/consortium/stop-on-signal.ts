/** Ctrl-C, a closed terminal, or nobody who reads on, while processes of a consortium run on this machine. */
import { EXIT, say, unread } from '#scripts/commands/output.ts';
import type { LocalConsortium } from '#scripts/consortium/local-consortium.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Kills nobody's work but ours: everything stops, and the command ends through its `finally`. */
export function stopOnSignal(consortium: LocalConsortium): { interrupted(): boolean; release(): void } {
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    void consortium.stop();
  };
  const interrupt = (): void => {
    if (stopped) process.exit(EXIT.interrupted); // what we started ends with our end of its input
    say('\nStopping …');
    stop();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  unread.addEventListener('abort', stop);
  if (unread.aborted) stop();
  return {
    interrupted: () => stopped,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, interrupt);
      unread.removeEventListener('abort', stop);
    },
  };
}
