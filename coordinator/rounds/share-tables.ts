/** The share tables of each run's session in force, read once and kept: every unmask is held against all of them. */
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';
import { ShareTableLayout } from '#shared/secure-sum/share-table-layout.ts';

export class ShareTables {
  private readonly bodies: BodyStore;
  private readonly over = new Set<RunId>();
  private readonly kept = new Map<RunId, { session: string; byRoot: Map<string, Promise<Uint8Array>> }>();

  constructor(bodies: BodyStore) {
    this.bodies = bodies;
  }

  /** What one dealer dealt. @throws FederationError NOT_FOUND, LATE when the run is over */
  async read(session: Session, dealer: number): Promise<Uint8Array> {
    const { run } = session.payload;
    if (this.over.has(run)) throw new FederationError('LATE', `run ${run} is over`); // else kept for ever
    let ofRun = this.kept.get(run);
    if (ofRun?.session !== session.hash) {
      ofRun = { session: session.hash, byRoot: new Map() };
      this.kept.set(run, ofRun);
    }
    const { byRoot } = ofRun;
    const root = session.dealt.get(dealer)!.table;
    let table = byRoot.get(root);
    if (table === undefined) {
      table = this.bodies.read(root);
      byRoot.set(root, table);
      table.catch(() => byRoot.delete(root));
    }
    return table;
  }

  /** What all dealers of a sealed session dealt to one bank, one package after the other. */
  async packagesFor(session: Session, to: number): Promise<Uint8Array[]> {
    const layout = layoutOf(session);
    const packages: Uint8Array[] = [];
    for (const dealer of session.sealed!.dealers) {
      packages.push(packageFor(await this.read(session, dealer), layout, to));
    }
    return packages;
  }

  /** A run that is over reveals nothing any more. */
  forget(run: RunId): void {
    this.kept.delete(run);
    this.over.add(run);
  }
}

export function layoutOf(session: Session): ShareTableLayout {
  return new ShareTableLayout({
    banks: session.payload.participants.length,
    slots: session.payload.slots,
  });
}
