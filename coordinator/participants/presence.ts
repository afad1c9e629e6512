/** Which banks are connected right now. Transient by nature: it only decides whom a round waits for. */
import type { Clock } from '#shared/protocol/clock.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export class Presence {
  private readonly clock: Clock;
  /** When this process began to look: a bank that has not come yet counts as away since then. */
  private readonly since: number;
  private readonly sockets = new Map<ParticipantId, number>();
  private readonly left = new Map<ParticipantId, number>();
  private readonly listeners: ((participant: ParticipantId, connected: boolean) => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
    this.since = clock.now();
  }

  onChange(listener: (participant: ParticipantId, connected: boolean) => void): void {
    this.listeners.push(listener);
  }

  connected(): ParticipantId[] {
    return [...this.sockets.keys()];
  }

  awaySince = (participant: ParticipantId): number | undefined =>
    this.sockets.has(participant) ? undefined : (this.left.get(participant) ?? this.since);

  /** An agent may open its new socket before the old one is known to be dead. */
  join(participant: ParticipantId): void {
    const count = this.sockets.get(participant) ?? 0;
    this.sockets.set(participant, count + 1);
    if (count === 0) for (const listener of this.listeners) listener(participant, true);
  }

  leave(participant: ParticipantId): void {
    const count = this.sockets.get(participant) ?? 0;
    if (count > 1) {
      this.sockets.set(participant, count - 1);
      return;
    }
    this.sockets.delete(participant);
    this.left.set(participant, this.clock.now());
    for (const listener of this.listeners) listener(participant, false);
  }
}
