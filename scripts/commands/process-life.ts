/** How a long-running command ends: on a signal, when its parent goes away, or when it is broken. */
import { EXIT, say } from '#scripts/commands/output.ts';

/**
 * Resolves with the exit code when the process should stop. A second signal stops it at once.
 * @param withParent also stop when standard input ends: whoever started us is gone
 * @param onHangUp what SIGHUP is for: to read again what may have changed. It must not end a service, least of all
 *   with an exit code by which nobody starts it again
 */
export function untilStopped(
  withParent: boolean,
  broken: Promise<Error>,
  onHangUp: () => void,
): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(EXIT.interrupted);
      asked = true;
      resolve(EXIT.ok);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('SIGHUP', onHangUp);
    if (withParent) {
      process.stdin.resume();
      process.stdin.once('end', stop);
      process.stdin.once('error', stop);
    }
    void broken.then((error) => {
      say(error.message);
      resolve(EXIT.failed);
    });
  });
}
