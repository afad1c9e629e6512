/** Ctrl-C while processes of a consortium run on this machine. */
import { EXIT, say } from '#scripts/commands/output.ts';
import type { LocalConsortium } from '#scripts/consortium/local-consortium.ts';

/** Kills nobody's work but ours: on Ctrl-C everything stops, and the command ends through its `finally`. */
export function stopOnSignal(consortium: LocalConsortium): { interrupted(): boolean; release(): void } {
  let stopped = false;
  const stop = (): void => {
    if (stopped) process.exit(EXIT.interrupted); // what we started ends with our end of its input
    stopped = true;
    say('\nStopping …');
    void consortium.stop();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  return {
    interrupted: () => stopped,
    release: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}
