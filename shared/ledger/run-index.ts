/** Which run an entry belongs to, learnt from the entries alone and in order. */
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';

/** Runs by the hashes of their rounds, sessions and checkpoints. */
type KnownRuns = Pick<FederationState, 'roundRuns' | 'sessionRuns' | 'checkpointRuns'>;

/** @returns the run of an entry, or undefined when it belongs to none, or to one that is not known */
export function runOfEntry(known: KnownRuns, { entry: { message }, hash }: RecordedEntry): RunId | undefined {
  const { payload } = message;
  if (message.type === 'run-proposed') return hash as RunId;
  if ('run' in payload) return payload.run;
  if ('ctx' in payload) return known.roundRuns.get(payload.ctx);
  if ('session' in payload) return known.sessionRuns.get(payload.session);
  return message.type === 'cosign' ? known.checkpointRuns.get(message.payload.checkpoint) : undefined;
}

/** For those who read entries without folding them. */
export class RunIndex {
  private readonly known: KnownRuns = {
    roundRuns: new Map(),
    sessionRuns: new Map(),
    checkpointRuns: new Map(),
  };

  /** @returns the run of the next entry, or undefined when it belongs to none */
  take(recorded: RecordedEntry): RunId | undefined {
    const { message } = recorded.entry;
    const run = runOfEntry(this.known, recorded);
    if (run === undefined) return undefined;
    if (message.type === 'open-round') this.known.roundRuns.set(recorded.hash, run);
    if (message.type === 'open-session') this.known.sessionRuns.set(recorded.hash, run);
    if (message.type === 'checkpoint') this.known.checkpointRuns.set(recorded.hash, run);
    return run;
  }
}
