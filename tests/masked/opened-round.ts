/** One open masked round and its futures: who falls silent, and what comes of it. */
import { expect } from 'vitest';
import { decide } from '#coordinator/rounds/decide.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import type { Ring } from '#shared/ring/field.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import type { Message } from '#shared/protocol/messages.ts';
import {
  range,
  SIMULATED_DEADLINE,
  SimulatedConsortium,
  type SimulatedLedger,
} from '../support/secure-sum-simulation.ts';
import type { SimulatedBank } from '../support/simulated-bank.ts';

/** Nobody is known to be away. */
const HERE = (): undefined => undefined;

/** Three sets as bits: who sends no vector, no certificate, no shares. */
export interface Silence {
  readonly input: readonly number[];
  readonly certificate: readonly number[];
  readonly unmask: readonly number[];
}

export function subsets(count: number): number[][] {
  return range(2 ** count).map((bits) => range(count).filter((i) => (bits >> i) & 1));
}

/** A round that is open, with everybody's vector on its way. Each pattern is a future of it. */
export class OpenedRound {
  readonly ledger: SimulatedLedger;
  private readonly consortium: SimulatedConsortium;
  private readonly plain: RingWords[] = [];
  private readonly masked: RingWords[] = [];
  private readonly inputs: Message<'masked-input'>[] = [];

  private constructor(consortium: SimulatedConsortium, ledger: SimulatedLedger) {
    this.consortium = consortium;
    this.ledger = ledger;
  }

  static async of(
    consortium: SimulatedConsortium,
    sealed: SimulatedLedger,
    ring: Ring,
    length: number,
  ): Promise<OpenedRound> {
    const ledger = sealed.fork();
    ledger.append(consortium.openRound(ledger.run, `sum in ${ring}`, ring, length));
    const round = new OpenedRound(consortium, ledger);
    for (const index of range(consortium.banks.length)) {
      const words = createWords(ring, length);
      const generator = new SeededGenerator('dropouts', ring, String(index));
      bytesOf(words).set(
        bytesOf(Uint32Array.from({ length: words.byteLength / 4 }, () => generator.nextUint32())),
      );
      bytesOf(words).fill(index % 2 ? 0xff : 0, 0, words.BYTES_PER_ELEMENT); // the ends of the ring, too
      round.plain[index] = words.slice();
      round.inputs[index] = await consortium.banks[index]!.input(ledger.open, words);
      round.masked[index] = words;
    }
    return round;
  }

  /** What becomes of it. @returns 'sum' when it is exact, else the code it ends with */
  async outcome(silent: Silence, banks: readonly SimulatedBank[]): Promise<string> {
    const { consortium } = this;
    const ledger = this.ledger.fork();
    const survivors = range(banks.length).filter((i) => !silent.input.includes(i));
    for (const i of survivors) ledger.append(this.inputs[i]!);
    try {
      ledger.append(consortium.fixSurvivors(ledger.open));
    } catch (error) {
      return `${codeOf(error)} ${atDeadline(ledger)}`;
    }
    // what a bank promises in this future, it has not promised in another
    const before = banks.map((bank) => bank.promises);
    try {
      for (const bank of banks) bank.promises = bank.promises.copy();
      for (const [i, bank] of banks.entries()) {
        if (!silent.certificate.includes(i)) ledger.append(await bank.certify(ledger.open));
      }
      const refused = await this.revealAll(ledger, banks, silent);
      return this.openedSum(ledger, survivors) ?? `${refused} ${atDeadline(ledger)}`;
    } finally {
      banks.forEach((bank, i) => (bank.promises = before[i]!));
    }
  }

  /** As long as somebody still reveals. @returns why the others do not, or would not */
  private async revealAll(
    ledger: SimulatedLedger,
    banks: readonly SimulatedBank[],
    silent: Silence,
  ): Promise<string> {
    let refused = '-';
    const left = new Set(range(banks.length).filter((i) => !silent.unmask.includes(i)));
    for (let before = -1; left.size !== before;) {
      before = left.size;
      refused = '-';
      for (const i of [...left]) {
        const certifiedBefore = ledger.open.masked!.certificates.size;
        try {
          ledger.append(await banks[i]!.reveal(ledger.open));
          left.delete(i);
        } catch (error) {
          refused = codeOf(error);
          expect(ledger.open.masked!.certificates.size).toBe(certifiedBefore);
        }
      }
    }
    return refused;
  }

  /** @returns 'sum', or undefined when there are too few shares; throws when the sum is not the sum */
  private openedSum(ledger: SimulatedLedger, survivors: readonly number[]): 'sum' | undefined {
    const { open } = ledger;
    const { ring, length } = open.payload.question;
    const sum = createWords(ring, length);
    const expected = createWords(ring, length);
    for (const i of survivors) {
      addInto(sum, this.masked[i]!);
      addInto(expected, this.plain[i]!);
    }
    const closing = this.consortium.closeRound(open, vectorRoot(expected));
    try {
      applyMasks(sum, masksOfSum(fixedSlot(open), revealedShares(open)));
    } catch (error) {
      expect(codeOf(error)).toBe('SHARES');
      expect(codeOf(thrownBy(() => ledger.append(closing)))).toBe('SHARES');
      return undefined;
    }
    expect(vectorRoot(sum)).toBe(vectorRoot(expected));
    ledger.append(closing);
    return 'sum';
  }
}

/** What the coordinator says of a round that has come to its end. */
function atDeadline({ run }: SimulatedLedger): string {
  const decision = decide(run, SIMULATED_DEADLINE + 60_000, HERE, undefined);
  return 'code' in decision ? `${decision.kind} ${decision.code}` : decision.kind;
}

function codeOf(error: unknown): string {
  if (error instanceof FederationError) return error.code;
  throw error;
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** What the three numbers say must come of it. */
export function expectedOutcome(count: number, silent: Silence): string {
  const { quorum, threshold, minimum } = thresholdsFor(count);
  if (count - silent.input.length < minimum) return 'COHORT void COHORT';
  const certified = range(count).filter((i) => !silent.certificate.includes(i));
  const revealing = range(count).filter((i) => !silent.unmask.includes(i));
  // the certificate of a bank that only reveals is its reveal, so one may be missing before
  const helped = revealing.some((i) => !certified.includes(i)) ? 1 : 0;
  if (certified.length + helped < quorum) return `${revealing.length > 0 ? 'CERTIFICATE' : '-'} void QUORUM`;
  if (revealing.length < threshold) {
    const all = new Set([...certified, ...revealing]).size;
    return all < quorum ? '- void QUORUM' : '- void SHARES';
  }
  return 'sum';
}

/**
 * Futures with a few silent banks, with exactly as many as can be missing, and with one more, in both rings.
 * @returns how they ended, each as the three numbers say it must
 */
export async function randomOutcomes(count: number): Promise<Set<string>> {
  const generator = new SeededGenerator('silent banks', String(count));
  const { minimum, quorum } = thresholdsFor(count);
  const consortium = new SimulatedConsortium(count);
  const drawn = (size: number): number[] => {
    const left = range(count);
    return range(size).map(() => left.splice(generator.nextUint32() % left.length, 1)[0]!);
  };
  const sealed = await consortium.sealed(1);
  const outcomes = new Set<string>();
  for (const ring of ['u32', 'u64'] as const) {
    const fresh = consortium.banks.map((bank) => bank.promises.copy());
    const round = await OpenedRound.of(consortium, sealed, ring, 1 + (generator.nextUint32() % 40));
    const futures = [
      { input: drawn(generator.nextUint32() % 4), silent: drawn(generator.nextUint32() % 3) },
      { input: drawn(count - minimum), silent: drawn(count - quorum) },
      { input: drawn(count - minimum), silent: drawn(count - quorum + 1) },
      { input: drawn(count - minimum + 1), silent: drawn(0) },
    ];
    for (const { input, silent } of futures) {
      const silence = { input, certificate: silent, unmask: silent };
      const outcome = await round.outcome(silence, consortium.banks);
      expect(outcome, JSON.stringify(silence)).toBe(expectedOutcome(count, silence));
      outcomes.add(outcome);
    }
    consortium.banks.forEach((bank, i) => (bank.promises = fresh[i]!));
  }
  return outcomes;
}
