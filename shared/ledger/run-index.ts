/** Which run an entry belongs to, learnt from the entries alone and in order. */
import type { RecordedEntry } from '#shared/ledger/entry.ts';

export class RunIndex {
  /** Runs by the hashes of their rounds, sessions and checkpoints. */
  private readonly byHash = new Map<string, string>();

  /** @returns the run of the next entry, or undefined when it belongs to none */
  take({ entry: { message }, hash }: RecordedEntry): string | undefined {
    const { payload } = message;
    if (message.type === 'run-proposed') return hash;
    if ('run' in payload) {
      if (message.type === 'open-round' || message.type === 'open-session' || message.type === 'checkpoint')
        this.byHash.set(hash, payload.run);
      return payload.run;
    }
    if ('ctx' in payload) return this.byHash.get(payload.ctx);
    if ('session' in payload) return this.byHash.get(payload.session);
    return message.type === 'cosign' ? this.byHash.get(message.payload.checkpoint) : undefined;
  }
}
