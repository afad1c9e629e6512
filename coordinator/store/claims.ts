/**
 * Bodies taken into the store for a message that is about to be recorded. When it is refused in the end, its body
 * has to go again; but not if it was there before, or is wanted by another message with the same content.
 */

interface Claim {
  /** Messages that wait for their fate. */
  waiting: number;
  /** Whether something else needs the body. */
  wanted: boolean;
  removing: Promise<void> | undefined;
}

export class Claims {
  private readonly claims = new Map<string, Claim>();

  /** To be called before the body is looked for or moved; ends with `settle`. Waits while it is being removed. */
  async begin(root: string): Promise<void> {
    await this.claims.get(root)?.removing?.catch(() => {});
    const claim = this.claims.get(root) ?? { waiting: 0, wanted: false, removing: undefined };
    claim.waiting++;
    this.claims.set(root, claim);
  }

  /** It was there before, or is wanted for another reason. Waits while it is being removed. */
  async keep(root: string): Promise<void> {
    const claim = this.claims.get(root);
    if (claim === undefined) return;
    claim.wanted = true;
    await claim.removing?.catch(() => {});
  }

  /** @param remove called when the last claim is settled and nobody wants the body */
  async settle(root: string, wanted: boolean, remove: () => Promise<void>): Promise<void> {
    const claim = this.claims.get(root)!;
    claim.wanted ||= wanted;
    claim.waiting--;
    if (claim.waiting > 0) return;
    try {
      if (!claim.wanted) await (claim.removing = remove());
    } finally {
      this.claims.delete(root);
    }
  }
}
