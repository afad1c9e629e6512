/** The one error boundary of socket handlers: every request is answered, nothing escapes. */
import type { CoordinatorEvents } from '#coordinator/events.ts';
import { asStorageError } from '#coordinator/store/storage-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Refusal } from '#shared/protocol/socket-events.ts';

export function acknowledging<T>(
  acknowledge: unknown,
  events: CoordinatorEvents,
  handle: () => T | Promise<T>,
): void {
  // the other side decides what it sends: a missing callback must not crash us
  const reply = typeof acknowledge === 'function' ? (acknowledge as (reply: T | Refusal) => void) : () => {};
  void (async () => {
    try {
      reply(await handle());
    } catch (thrown) {
      const error = asStorageError(thrown);
      if (error instanceof FederationError) {
        reply({ ok: false, code: error.code, message: error.message });
      } else {
        events.internalError(error);
        reply({ ok: false, code: 'INTERNAL', message: 'internal error; see the coordinator log' });
      }
    }
  })();
}
