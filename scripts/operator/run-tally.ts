/** A run as somebody who watches it sees it: the fold of its entries, plus progress and presence. */
import { recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import { emptyFederation, type Run } from '#shared/ledger/federation-state.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { parseMessage } from '#shared/protocol/messages.ts';
import type { Progress } from '#shared/protocol/socket-events.ts';

export class RunTally {
  readonly connected = new Set<string>();
  readonly progress = new Map<string, Progress>();
  private readonly id: RunId;
  private readonly state = emptyFederation();
  private lastSeq = -1;

  constructor(id: RunId) {
    this.id = id;
  }

  get run(): Run | undefined {
    return this.state.runs.get(this.id);
  }

  /** @returns whether the entry is new */
  take({ seq, time, message }: Entry): boolean {
    if (seq <= this.lastSeq) return false;
    this.lastSeq = seq;
    apply(this.state, recordEntry({ seq, time, message: parseMessage(message) }));
    return true;
  }

  /** The values of one metric, round after round, as far as they are known. */
  series(name: string): number[] {
    const run = this.run;
    if (run === undefined) return [];
    const known = run.past.map(({ open }) => open.payload.metrics);
    if (run.phase.name === 'collecting') known.push(run.phase.open.payload.metrics);
    if (run.phase.name === 'finished') known.push(run.phase.result.metrics);
    return known.flatMap((metrics) => (metrics[name] === undefined ? [] : [metrics[name]]));
  }
}
