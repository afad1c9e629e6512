/** Priority of the training thread, as `coordinator/threads/give-way.ts` for the other side. */
import { constants, getPriority, setPriority } from 'node:os';

/** A third of the event loop's weight: on a busy machine it still gets on. */
const STEP = 5;

/**
 * Called by the thread that computes: where processors are few, the event loop has its turn first, and with it the
 * messages to the coordinator. Linux only, where priority is a thread's; elsewhere it would be the process's.
 */
export function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(getPriority() + STEP, constants.priority.PRIORITY_LOW));
  } catch {
    // a hardened service may be kept from changing priorities: it computes all the same
  }
}
