import { describe, expect, test } from 'vitest';
import { Witness, type LedgerIdentity } from '#participant-agent/witness/witness.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { openCheckpointOf, signHead } from '#shared/ledger/checkpoint.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

const ORIGIN = 'tallystick.example/one';
const logSeed = sha256(utf8('log'));
const newLogSeed = sha256(utf8('new log'));
const keyOf = (seed: Uint8Array): string => toBase64Url(publicKeyOf(seed));
const ledger: LedgerIdentity = { origin: ORIGIN, logKeys: [{ key: keyOf(logSeed), from: 1 }] };

class Disk {
  readonly kept: { size: number; flush: boolean }[] = [];
  note: string | undefined;
  /** What else it has. */
  older: string[] = [];
  full = false;

  witnessedNotes(): Promise<string[]> {
    return Promise.resolve([...(this.note === undefined ? [] : [this.note]), ...this.older]);
  }

  keepWitnessedNote(note: string, flush: boolean): Promise<void> {
    if (this.full) return Promise.reject(new Error('no space left on device'));
    this.note = note;
    this.kept.push({ size: Number(note.split('\n')[1]), flush });
    return Promise.resolve();
  }
}

/** A witness that has seen so many entries. */
async function witnessOf(entries: number, disk = new Disk()): Promise<{ witness: Witness; disk: Disk }> {
  const witness = await Witness.open(sha256(utf8('witness')), disk);
  for (let i = 0; i < entries; i++) witness.grow(sha256(utf8(`entry ${i}`)));
  return { witness, disk };
}

function headOf({ tree }: Witness, size: number, seed = logSeed): SignedHead {
  return signHead(ORIGIN, size, tree.root(size), seed);
}

describe('the head a bank keeps', () => {
  test('does not go back when an older one is cosigned late, and is durable then', async () => {
    const { witness, disk } = await witnessOf(9);
    await witness.remember(headOf(witness, 8), ledger, false);
    await witness.remember(headOf(witness, 5), ledger, true);
    expect(witness.witnessed!.checkpoint.size).toBe(8);
    expect(disk.kept).toEqual([
      { size: 8, flush: false },
      { size: 8, flush: true },
    ]);
  });

  test('does not go back behind the one from before a restart', async () => {
    const { witness, disk } = await witnessOf(9);
    await witness.remember(headOf(witness, 8), ledger, true);
    const { witness: again } = await witnessOf(9, disk);
    await again.remember(headOf(again, 5), ledger, true);
    await again.remember(headOf(again, 7), ledger, false);
    expect(disk.note!.split('\n')[1]).toBe('8');
  });

  test('is the newest that is whole: one that was not flushed may be cut short, or be behind the flushed one', async () => {
    const { witness, disk } = await witnessOf(9);
    await witness.remember(headOf(witness, 8), ledger, true);
    const eight = disk.note!;
    await witness.remember(headOf(witness, 9), ledger, false);
    const nine = disk.note!;
    const sizeAfter = async (note: string | undefined, ...older: string[]): Promise<number | undefined> => {
      Object.assign(disk, { note, older });
      return (await witnessOf(0, disk)).witness.past?.size;
    };
    expect(await sizeAfter(nine, eight)).toBe(9);
    expect(await sizeAfter(eight, nine)).toBe(9);
    expect(await sizeAfter(undefined, eight)).toBe(8);
    expect(await sizeAfter(undefined)).toBeUndefined();
    for (let length = 0; length < nine.length; length++) {
      expect(await sizeAfter(nine.slice(0, length), eight)).toBe(8);
      await expect(sizeAfter(nine.slice(0, length))).rejects.toMatchObject({ code: 'STORAGE' });
    }
  });

  test('is kept again after a disk that was full for a moment', async () => {
    const { witness, disk } = await witnessOf(9);
    disk.full = true;
    await expect(witness.remember(headOf(witness, 4), ledger, true)).rejects.toThrow('no space');
    disk.full = false;
    await witness.remember(headOf(witness, 5), ledger, true);
    expect(disk.kept).toEqual([{ size: 5, flush: true }]);
  });

  test('is a note by the key that signed it, also when the key has changed since', async () => {
    const { witness, disk } = await witnessOf(9);
    const logKeys = [...ledger.logKeys, { key: keyOf(newLogSeed), from: 8 }];
    const head = headOf(witness, 5);
    witness.check(head, { origin: ORIGIN, logKeys });
    await witness.remember(head, { origin: ORIGIN, logKeys }, true);
    expect(openCheckpointOf(disk.note!, ORIGIN, logKeys)).toMatchObject({
      size: 5,
      root: toHex(witness.tree.root(5)),
    });
  });
});

test('a head by a key that is not in force any more is refused', async () => {
  const { witness } = await witnessOf(9);
  const logKeys = [...ledger.logKeys, { key: keyOf(newLogSeed), from: 8 }];
  expect(() => witness.check(headOf(witness, 9), { origin: ORIGIN, logKeys })).toThrow(/not signed/);
  witness.check(headOf(witness, 9, newLogSeed), { origin: ORIGIN, logKeys });
  witness.check(headOf(witness, 7), { origin: ORIGIN, logKeys });
});
