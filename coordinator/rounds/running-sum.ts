/**
 * The sum of one round's accepted updates, added up as they arrive: one vector in memory, however many banks.
 * After a restart it is rebuilt from the bodies by the same `add`.
 */
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { QuestionOutline } from '#models/run-machine.ts';
import {
  addCounting,
  addInto,
  assertWithinLimits,
  createSharedWords,
  wordsOf,
  writeInto,
} from '#shared/ring/ring-sum.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';
import { ifFitting, type RingWords } from '#shared/ring/encode.ts';

/** Takes the words of a vector from `offset` on. */
type Take = (words: RingWords, offset: number) => void;

/** Unmasked vectors; masked ones; masked ones whose sum is claimed, so that carries are counted. */
export type SumKind = 'plain' | 'masked' | 'claimed';

interface SumMemory {
  readonly words: RingWords;
  readonly carries: Uint8Array | undefined;
}

export class RunningSum {
  /** In shared memory: threads read it, and take masks out of it. Anything before the first addition. */
  readonly words: RingWords;
  /** Of a claimed sum, what is above each word: how often it ran over. */
  readonly carries: Uint8Array | undefined;
  /** Roster indices of the updates in the sum. */
  readonly added = new Set<number>();
  private isOpened = false;
  private readonly asked: QuestionOutline;
  private readonly bodies: BodyStore;
  /** Additions run one after the other, so that they share the disk and never half-finish together. */
  private turn: Promise<void> = Promise.resolve();
  private underWay = 0;
  private isRetired = false;
  /** Whether bodies are hardly read again: banks check sums by reading the masked vectors, but for claimed ones. */
  private readonly once: boolean;

  /** @param reuse the memory of an earlier round, to be overwritten if it fits */
  constructor(asked: QuestionOutline, bodies: BodyStore, kind: SumKind, reuse?: SumMemory) {
    this.once = kind !== 'masked';
    const { ring, length } = asked;
    this.words = ifFitting(reuse?.words, ring, length) ?? createSharedWords(ring, length);
    if (kind === 'claimed')
      this.carries = reuse?.carries?.length === length ? reuse.carries : new Uint8Array(length);
    this.asked = asked;
    this.bodies = bodies;
  }

  get bodyBytes(): number {
    return this.words.byteLength;
  }

  /**
   * @param bank who uploaded it
   * @param body in memory; else it is read from its upload
   * @throws FederationError CANARY | RANGE when the body is not an update any honest bank would send
   */
  async assertPlausible(root: string, bank: string, body?: Uint8Array<ArrayBuffer>): Promise<void> {
    const { fields, ring } = this.asked;
    if (body !== undefined) return assertWithinLimits(wordsOf(ring, body), 0, fields);
    await this.eachSlice(root, bank, (words, offset) => assertWithinLimits(words, offset, fields));
  }

  /** Whether the body is there and still hashes to its root: after a loss of power it may not. */
  async isIntact(root: string): Promise<boolean> {
    if ((await this.bodies.size(root)) !== this.bodyBytes) return false;
    const hasher = new RootHasher();
    for await (const bytes of this.bodies.chunks(root)) hasher.update(bytes);
    return hasher.root() === root;
  }

  /** Adds an accepted update, once. When it cannot be read to its end, all have to be added anew. */
  async add(index: number, root: string): Promise<void> {
    const before = this.turn;
    let done = (): void => {};
    this.turn = new Promise((resolve) => (done = resolve));
    this.underWay++;
    await before;
    try {
      if (this.isRetired || this.added.has(index)) return;
      const take = this.added.size === 0 ? this.begin() : this.adding();
      await this.eachSlice(root, undefined, take);
      this.added.add(index);
      if (this.once) this.bodies.release(root);
    } catch (error) {
      this.added.clear();
      throw error;
    } finally {
      this.underWay--;
      done();
    }
  }

  /** Nothing is added any more. @returns its memory to be overwritten, unless an addition still writes to it */
  retire(): SumMemory | undefined {
    this.isRetired = true;
    return this.underWay === 0 ? this : undefined;
  }

  /** Takes the masks out, once: a disk that is full afterwards must not make it happen twice. */
  async open(unmask: () => Promise<void>): Promise<void> {
    if (this.isOpened) return;
    await unmask();
    this.isOpened = true;
  }

  /**
   * The first is written over what is there, slice by slice: to clear ten million words that are fresh from the system
   * takes long enough for every bank to notice.
   */
  private begin(): Take {
    return (words, offset) => {
      writeInto(this.words, words, offset);
      this.carries?.fill(0, offset, offset + words.length);
    };
  }

  private adding(): Take {
    const { words: sum, carries } = this;
    if (carries === undefined) return (words, offset) => addInto(sum, words, offset);
    return (words, offset) => addCounting(sum as Uint32Array, carries, words as Uint32Array, offset);
  }

  private async eachSlice(root: string, bank: string | undefined, visit: Take): Promise<void> {
    let offset = 0;
    for await (const bytes of this.bodies.chunks(root, bank)) {
      const words = wordsOf(this.asked.ring, bytes);
      visit(words, offset);
      offset += words.length;
    }
  }
}
