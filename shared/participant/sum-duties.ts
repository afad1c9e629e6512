/**
 * The sums of closed rounds: the program goes on with each, in order; and each is found right before the bank signs a
 * later vector. The check runs beside the next computation.
 */
import type { Effect } from '#shared/participant/effects.ts';
import type { OwnPart } from '#shared/participant/own-part.ts';
import { roundsOf, type PastRound } from '#shared/ledger/federation-state.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { purposes } from '#shared/secure-sum/promises.ts';
import { checkedByAll, delegatesOf } from '#shared/secure-sum/sum-check.ts';

export class SumDuties {
  private readonly own: OwnPart;
  private readonly checksAll: boolean;
  /** Past rounds whose sums the program has taken, void ones included. */
  private taken = 0;
  private isTaking = false;
  /** Past rounds whose sums are right, as far as this bank has to know. */
  private right = 0;
  /** The round being looked at: since when, and whether this bank adds it up itself. */
  private look: { readonly ctx: string; readonly until: number; isComparing: boolean } | undefined;
  /** The sum that this bank has just found right. */
  private found: PastRound | undefined;

  /** @param checksAll whether this bank's policy has every sum checked here */
  constructor(own: OwnPart, checksAll: boolean) {
    this.own = own;
    this.checksAll = checksAll;
    this.right = this.builtUpon();
  }

  /** Whether the program stands where the ledger does. */
  get areTaken(): boolean {
    return this.taken === this.own.run.past.length && !this.isTaking;
  }

  get areRight(): boolean {
    return this.right === this.own.run.past.length;
  }

  /** The program has taken its step. */
  stepped(): void {
    if (this.isTaking) this.taken++;
    this.isTaking = false;
  }

  checked(ctx: string): void {
    const past = this.own.run.past[this.right];
    if (past?.open.hash !== ctx) return;
    this.right++;
    this.found = past;
  }

  /** @param hasBegun whether the program has begun */
  next(now: number, hasBegun: boolean): Effect | undefined {
    return this.sayConfirmed() ?? (hasBegun ? this.takeDuty() : undefined) ?? this.checkDuty(now);
  }

  private takeDuty(): Effect | undefined {
    if (this.isTaking) return undefined;
    for (; this.taken < this.own.run.past.length; this.taken++) {
      const past = this.own.run.past[this.taken]!;
      if (past.end.outcome === 'void') continue;
      this.isTaking = true;
      return { do: 'take-sum', past };
    }
    return undefined;
  }

  /** Sums that the program could go on from. */
  private checkDuty(now: number): Effect | undefined {
    for (; this.right < this.taken; this.right++) {
      const past = this.own.run.past[this.right]!;
      if (past.end.outcome === 'void' || past.open.masked === undefined) continue;
      const bank = past.open.roster.indexOf(this.own.id);
      if (bank < 0) continue;
      const effect = this.confirmDuty(past, bank, now);
      if (effect !== 'right') return effect;
    }
    return undefined;
  }

  /** @returns 'right' when nothing is to be done about this sum any more */
  private confirmDuty(past: PastRound, bank: number, now: number): Effect | undefined | 'right' {
    const { open } = past;
    const ctx = open.hash;
    const mine = { do: 'check-sum', past } as const;
    const { confirmations } = maskedOf(open);
    if (this.look?.ctx !== ctx) {
      // half of the time for a round is the delegates'; then everybody checks for itself
      const until = now + this.own.run.plan.deadlines.roundMs / 2;
      const delegates = checkedByAll(open) ? undefined : delegatesOf(open);
      const isComparing = this.checksAll || delegates === undefined || delegates.includes(bank);
      this.look = { ctx, until, isComparing };
      if (isComparing) return mine;
      return delegates.every((index) => confirmations.has(index)) ? 'right' : { do: 'wake', at: until };
    }
    if (this.look.isComparing) return undefined;
    if (delegatesOf(open).every((index) => confirmations.has(index))) return 'right';
    if (now < this.look.until) return undefined;
    this.look.isComparing = true;
    return mine;
  }

  /** A delegate tells the others. */
  private sayConfirmed(): Effect | undefined {
    const { found, own } = this;
    this.found = undefined;
    if (found?.end.outcome !== 'closed') return undefined;
    const { open, end } = found;
    const bank = open.roster.indexOf(own.id);
    if (checkedByAll(open) || !delegatesOf(open).includes(bank)) return undefined;
    if (maskedOf(open).confirmations.has(bank)) return undefined;
    const { sumRoot } = end.payload;
    const message = own.sign('confirm-sum', { ctx: open.hash, from: own.id, sumRoot });
    return own.say(`${open.hash}/confirm`, { message, purposes: [] }, 'the sum is right', { open });
  }

  /**
   * How many past rounds came before the newest for which this bank has signed a vector: it has found their sums right
   * before. After a restart every sum since then is checked, whatever came after it.
   */
  private builtUpon(): number {
    const rounds = roundsOf(this.own.run);
    return Math.max(
      0,
      rounds.findLastIndex(({ hash, masked }) => {
        if (masked === undefined) return false;
        const input = this.own.promises.get(purposes.input(masked.session.hash, masked.slot));
        return input?.type === 'masked-input' && input.payload.ctx === hash;
      }),
    );
  }
}
