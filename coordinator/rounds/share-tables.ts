/** The share tables of the session in force, read once and kept: every unmask is held against all of them. */
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';
import { layoutOf } from '#coordinator/rounds/accept-shares.ts';

export class ShareTables {
  private readonly bodies: BodyStore;
  private readonly kept = new Map<string, Promise<Uint8Array>>();
  private session = '';

  constructor(bodies: BodyStore) {
    this.bodies = bodies;
  }

  /** What one dealer dealt. @throws FederationError NOT_FOUND */
  read(session: Session, dealer: number): Promise<Uint8Array> {
    if (this.session !== session.hash) {
      this.kept.clear();
      this.session = session.hash;
    }
    const root = session.dealt.get(dealer)!.table;
    let table = this.kept.get(root);
    if (table === undefined) {
      table = this.bodies.read(root);
      this.kept.set(root, table);
      table.catch(() => this.kept.delete(root));
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
}
