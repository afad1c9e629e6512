/** Why there is no connection: found out once for each cause, and said again with growing pauses. */
import { askJson } from '#participant-agent/transport/ask-coordinator.ts';
import type { Way } from '#participant-agent/transport/way.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { describeError } from '#shared/protocol/error-codes.ts';

/**
 * Asks over HTTP what a WebSocket's error does not tell.
 * @returns undefined when HTTP reaches the coordinator of this charter
 */
export async function findObstacle(way: Way, charter: string): Promise<string | undefined> {
  try {
    const answer = await askJson(way, 'v1/charter');
    return answer['charter'] === charter
      ? undefined
      : `another consortium is at ${way.url} than the invitation names: check ${way.addressIn}, or ask the operator`;
  } catch (error) {
    return describeError(error);
  }
}

const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

/** Keeps a log readable: the same complaint at once, after a minute, two, four, … at most an hour. */
export class Complaints {
  private readonly clock: Clock;
  private last: { what: string; at: number; pauseMs: number } | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Whether this is to be said now. */
  isDue(what: string): boolean {
    const at = this.clock.now();
    const { last } = this;
    if (last?.what === what && at - last.at < last.pauseMs) return false;
    const pauseMs = last?.what === what ? Math.min(2 * last.pauseMs, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    this.last = { what, at, pauseMs };
    return true;
  }

  /** All is well: the next complaint is a new one. */
  forget(): void {
    this.last = undefined;
  }
}
