/**
 * What callers may do whom nobody has vouched for: they are counted by address and minute, and an address that has
 * failed too often is refused before its attempt costs anything. A guess of 256 random bits is hopeless, but it must not
 * be free either. Who holds a token that is known is let in over HTTP whatever others at its address do; a bank that
 * shares its address with an attacker keeps the socket it has, but may have to wait for a new one.
 */
import { MinuteCounts } from '#coordinator/participants/minute-counts.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** An agent whose socket broke shows its last token a few times; many agents may share one address. */
const FAILURES_PER_MINUTE_MAX = 60;
const REPORT_MS = 60_000;
/** Addresses that one report names: those with the most failures. */
const ADDRESSES_NAMED = 3;

export interface StrangersReport {
  /** Tokens that nobody has. */
  readonly tokens: number;
  /** Sockets that did not prove to be a bank's. */
  readonly authentications: number;
  /** Connections that were refused or given up: too many from one address, or silent, or with too much to say. */
  readonly connections: number;
  readonly addresses: number;
  readonly most: readonly { readonly address: string; readonly count: number }[];
}

export class Strangers {
  private readonly handshakes: MinuteCounts;
  private readonly tokens: MinuteCounts;
  private readonly authentications: MinuteCounts;
  private readonly onReport: (report: StrangersReport) => void;
  private readonly seen = { tokens: 0, authentications: 0, connections: 0 };
  private readonly byAddress = new Map<string, number>();
  private report: NodeJS.Timeout | undefined;

  /**
   * @param handshakesPerMinute new sockets from one address
   * @param onReport what failed: once in a minute in which something did, however much it was
   */
  constructor(clock: Clock, handshakesPerMinute: number, onReport: (report: StrangersReport) => void) {
    this.handshakes = new MinuteCounts(clock, handshakesPerMinute);
    this.tokens = new MinuteCounts(clock, FAILURES_PER_MINUTE_MAX);
    this.authentications = new MinuteCounts(clock, FAILURES_PER_MINUTE_MAX);
    this.onReport = onReport;
  }

  /** Whether this address may open another socket now. */
  mayDial(address: string): boolean {
    if (!this.authentications.isUsedUp(address) && this.handshakes.count(address) >= 0) return true;
    this.gaveUp(address);
    return false;
  }

  /** A token that nobody has. @throws FederationError RATE_LIMIT when there were too many in this minute */
  wrongToken(address: string): void {
    this.note('tokens', address);
    if (this.tokens.count(address) < 0)
      throw new FederationError(
        'RATE_LIMIT',
        `more than ${FAILURES_PER_MINUTE_MAX} unknown tokens a minute from this address; wait and try again`,
      );
  }

  /** A socket that did not prove to be a bank's. */
  failedAuthentication(address: string): void {
    this.note('authentications', address);
    this.authentications.count(address);
  }

  /** A connection that nobody had vouched for was refused or given up. */
  gaveUp(address: string): void {
    this.note('connections', address);
  }

  close(): void {
    clearTimeout(this.report);
  }

  private note(what: keyof typeof this.seen, address: string): void {
    this.seen[what]++;
    if (this.byAddress.size < 10_000 || this.byAddress.has(address))
      this.byAddress.set(address, (this.byAddress.get(address) ?? 0) + 1);
    this.report ??= setTimeout(() => this.tell(), REPORT_MS).unref();
  }

  private tell(): void {
    this.report = undefined;
    const most = [...this.byAddress]
      .sort(([, a], [, b]) => b - a)
      .slice(0, ADDRESSES_NAMED)
      .map(([address, count]) => ({ address, count }));
    this.onReport({ ...this.seen, addresses: this.byAddress.size, most });
    Object.assign(this.seen, { tokens: 0, authentications: 0, connections: 0 });
    this.byAddress.clear();
  }
}
