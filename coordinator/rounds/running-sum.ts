/**
 * The sum of one round's accepted updates, added up as they arrive: one vector in memory, however many banks.
 * After a restart it is rebuilt from the bodies by the same `add`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { AskedQuestion } from '#models/run-machine.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { addInto, assertWithinLimits, createWords, wordsOf } from '#shared/ring/ring-sum.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';
import { applyMasksInSlices } from '#shared/secure-sum/apply-masks.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

export class RunningSum {
  readonly words: RingWords;
  /** Roster indices of the updates in the sum. */
  readonly added = new Set<number>();
  private isOpened = false;
  private readonly asked: AskedQuestion;
  private readonly bodies: BodyStore;
  /** Additions run one after the other, so that they share the disk and never half-finish together. */
  private turn: Promise<void> = Promise.resolve();

  constructor(asked: AskedQuestion, bodies: BodyStore) {
    this.words = createWords(asked.question.ring, asked.length);
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
    const { fields, ring } = this.asked.question;
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
    await before;
    try {
      if (this.added.has(index)) return;
      await this.eachSlice(root, undefined, (words, offset) => addInto(this.words, words, offset));
      this.added.add(index);
    } catch (error) {
      new Uint8Array(this.words.buffer).fill(0);
      this.added.clear();
      throw error;
    } finally {
      done();
    }
  }

  /** Takes the masks out, once: a disk that is full afterwards must not make it happen twice. */
  async open(masks: readonly Mask[]): Promise<void> {
    if (this.isOpened) return;
    for (const _slice of applyMasksInSlices(this.words, masks)) await nextTurn();
    this.isOpened = true;
  }

  private async eachSlice(
    root: string,
    bank: string | undefined,
    visit: (words: RingWords, offset: number) => void,
  ): Promise<void> {
    let offset = 0;
    for await (const bytes of this.bodies.chunks(root, bank)) {
      const words = wordsOf(this.asked.question.ring, bytes);
      visit(words, offset);
      offset += words.length;
    }
  }
}
