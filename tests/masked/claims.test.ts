/** What may be claimed of a sum, by whom a sketch may be signed, and what a certificate binds. */
import { describe, expect, test } from 'vitest';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { survivorsHash } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';
import type { Ring } from '#shared/ring/field.ts';
import { certificate, maskedInput } from '#shared/secure-sum/bank-round.ts';
import type { MemoryPromises } from '../support/simulated-bank.ts';
import { range, SimulatedConsortium, type SimulatedLedger } from '../support/secure-sum-simulation.ts';

const digest = (text: string): string => toHex(sha256(utf8(text)));
const CLAIM = { words: digest('words'), carries: digest('carries') };
const SKETCH = [1, 2, 3, 4, 5];
/** Of u32 words: with four vectors above 16 MiB, with three just below. */
const LARGE = Math.floor((16 * 1_048_576) / 12);

const consortium = new SimulatedConsortium(5);
const sealed = consortium.sealed(4);
/** What each bank remembers of the round that was answered last. */
let memories: MemoryPromises[] = [];

/** A round of which these banks have sent vectors; nobody looks at the words. */
async function answered(ring: Ring, length: number, banks: readonly number[]): Promise<SimulatedLedger> {
  const ledger = (await sealed).fork();
  ledger.append(consortium.openRound(ledger.run, 'a question', ring, length));
  memories = consortium.banks.map(({ promises }) => promises.copy());
  for (const bank of banks) {
    const { seed } = consortium.banks[bank]!;
    const root = digest(`vector ${bank}`);
    ledger.append(await maskedInput(ledger.open, { bank, seed }, root, memories[bank]!));
  }
  return ledger;
}

function fix(ledger: SimulatedLedger, changes: Partial<Payload<'fix-survivors'>>): Message<'fix-survivors'> {
  const { payload } = consortium.fixSurvivors(ledger.open);
  const { maskedSum } = changes;
  return consortium.sign('fix-survivors', {
    ...payload,
    survivorsHash: survivorsHash(ledger.open, maskedSum),
    ...changes,
  });
}

function outcome(ledger: SimulatedLedger, message: Message): string {
  try {
    ledger.fork().append(message);
  } catch (error) {
    if (error instanceof FederationError) return error.code;
    throw error;
  }
  return 'accepted';
}

const certify = (ledger: SimulatedLedger, bank: number, sketch?: number[]) => {
  const { seed } = consortium.banks[bank]!;
  return certificate(ledger.open, { bank, seed }, memories[bank]!.copy(), sketch);
};

describe('a sum is claimed', () => {
  test.each([
    ['of u32 words in more than 16 MiB of vectors', 'u32', LARGE, 4, 'accepted'],
    ['of no more than 16 MiB', 'u32', LARGE, 3, 'STATE'],
    ['of u64 words, whose carries a byte could not hold apart', 'u64', LARGE, 5, 'STATE'],
  ] as const)('%s: %s, %d words, %d banks: %s', async (_what, ring, length, banks, expected) => {
    const ledger = await answered(ring, length, range(banks));
    expect(outcome(ledger, fix(ledger, { maskedSum: CLAIM }))).toBe(expected);
    expect(outcome(ledger, fix(ledger, {}))).toBe('accepted'); // it need not be: then vectors are read
  });

  test('under the hash that every certificate names', async () => {
    const ledger = await answered('u32', LARGE, range(4));
    const hash = survivorsHash(ledger.open);
    expect(outcome(ledger, fix(ledger, { maskedSum: CLAIM, survivorsHash: hash }))).toBe('STATE');
    const other = { ...CLAIM, carries: digest('other') };
    const others = survivorsHash(ledger.open, other);
    expect(outcome(ledger, fix(ledger, { maskedSum: CLAIM, survivorsHash: others }))).toBe('STATE');
    expect(outcome(ledger, fix(ledger, { survivorsHash: others }))).toBe('STATE');

    const second = ledger.fork();
    ledger.append(fix(ledger, { maskedSum: CLAIM }));
    second.append(fix(second, { maskedSum: other }));
    expect(outcome(second, await certify(ledger, 0))).toBe('EQUIVOCATION');
    expect(outcome(ledger, fix(ledger, { maskedSum: other }))).toBe('EQUIVOCATION');
    const closed = consortium.closeRound(ledger.open, digest('sum')).payload;
    expect(closed.survivorsHash).toBe(survivorsHash(ledger.open, CLAIM));
  });
});

describe('a sketch is taken', () => {
  test('of a bank whose vector is in a claimed sum, and of nobody else', async () => {
    const ledger = await answered('u32', LARGE, range(4));
    const unclaimed = ledger.fork();
    unclaimed.append(fix(unclaimed, {}));
    ledger.append(fix(ledger, { maskedSum: CLAIM }));
    expect(outcome(ledger, await certify(ledger, 3, SKETCH))).toBe('accepted');
    expect(outcome(ledger, await certify(ledger, 3))).toBe('accepted');
    expect(outcome(ledger, await certify(ledger, 4, SKETCH))).toBe('STATE');
    expect(outcome(ledger, await certify(ledger, 4))).toBe('accepted'); // it helps to open the sum
    expect(outcome(unclaimed, await certify(unclaimed, 3, SKETCH))).toBe('STATE');
  });

  test('once: a bank that has certified without one adds none', async () => {
    const ledger = await answered('u32', LARGE, range(4));
    ledger.append(fix(ledger, { maskedSum: CLAIM }));
    ledger.append(await certify(ledger, 0));
    expect(outcome(ledger, await certify(ledger, 0, SKETCH))).toBe('REPLAY');
    ledger.append(await certify(ledger, 1, SKETCH));
    expect([...ledger.open.masked!.certificates]).toEqual([
      [0, undefined],
      [1, SKETCH],
    ]);
  });
});
