/**
 * A bank's secrets of masked sessions, sealed at rest under a key that follows from its identity key:
 *
 *   state/sessions/<session>.sealed   first the session's seed; once the session is sealed, in its place the
 *                                     seeds of each slot and the shares of the other banks
 *
 * A slot that is over is taken out, so that later nobody can open it, whoever comes by the identity key.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolder, replaceFile } from '#shared/platform/files/durable-file.ts';
import { backend } from '#shared/crypto/backend.ts';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { deriveKey } from '#shared/crypto/key-agreement.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { HeldKeys } from '#shared/secure-sum/bank-session.ts';

const content = z.union([
  z.strictObject({ seed: z.string() }),
  z.strictObject({
    seal: z.string(),
    /** By slot; null once it is over. */
    slots: z.array(z.tuple([z.string(), z.string()]).nullable()),
    shares: z.array(z.tuple([z.int(), z.string()])),
  }),
]);
type Content = z.infer<typeof content>;

const NONCE_BYTES = 12;

export class KeyVault {
  private readonly folder: string;
  private readonly key: Uint8Array;
  private readonly random: RandomBytes;

  /** @param identitySeed the bank's identity key */
  constructor(folder: string, identitySeed: Uint8Array, random: RandomBytes) {
    this.folder = folder;
    this.key = deriveKey(identitySeed, new Uint8Array(32), utf8('tallystick/v1 agent-vault'));
    this.random = random;
  }

  /** Makes the seed of a session, once. */
  async makeSeed(session: string): Promise<Uint8Array> {
    const kept = await this.seedOf(session);
    if (kept !== undefined) return kept;
    const seed = this.random(32);
    // A crash before this line: nothing was advertised. After it: the same keys are advertised again.
    await this.write(session, { seed: toBase64Url(seed) }, true);
    return seed;
  }

  /** The seed of a session until its keys are complete; undefined after that. */
  async seedOf(session: string): Promise<Uint8Array | undefined> {
    const kept = await this.read(session);
    return kept !== undefined && 'seed' in kept ? fromBase64Url(kept.seed) : undefined;
  }

  /** Replaces the seed by what is needed in the session's rounds; later, by what is still needed. */
  async keep(session: string, held: HeldKeys, sync = true): Promise<void> {
    await this.write(session, contentOf(held), sync);
  }

  async heldOf(session: string): Promise<HeldKeys | undefined> {
    const kept = await this.read(session);
    if (kept === undefined || 'seed' in kept) return undefined;
    return {
      seal: kept.seal,
      slots: kept.slots.map((slot) =>
        slot === null ? undefined : { maskSeed: fromBase64Url(slot[0]), selfSeed: fromBase64Url(slot[1]) },
      ),
      shares: new Map(kept.shares.map(([dealer, text]) => [dealer, fromBase64Url(text)])),
    };
  }

  /** Of these sessions, all that is kept. */
  async forgetAll(sessions: readonly string[]): Promise<void> {
    const present = new Set(await readdir(this.folder).catch(() => []));
    for (const session of sessions)
      if (present.has(`${session}.sealed`) || present.has(`${session}.sealed.new`))
        await this.forget(session);
  }

  async forget(session: string): Promise<void> {
    await rm(this.path(session), { force: true });
    await rm(this.besideOf(session), { force: true }); // secrets that a crash has left on the way to their place
  }

  private path(session: string): string {
    return join(this.folder, `${session}.sealed`);
  }

  private besideOf(session: string): string {
    return `${this.path(session)}.new`;
  }

  private async read(session: string): Promise<Content | undefined> {
    let bytes: Uint8Array;
    try {
      bytes = await readFile(this.path(session));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const text = backend.gcmOpen(
      this.key,
      bytes.subarray(0, NONCE_BYTES),
      bytes.subarray(NONCE_BYTES),
      utf8(session),
    );
    if (text === undefined) {
      throw new FederationError(
        'KEY_FILE',
        `the sealed keys of session ${session} are damaged or another bank's`,
      );
    }
    return content.parse(JSON.parse(new TextDecoder().decode(text)));
  }

  private async write(session: string, value: Content, sync: boolean): Promise<void> {
    const nonce = this.random(NONCE_BYTES);
    const sealed = backend.gcmSeal(this.key, nonce, utf8(JSON.stringify(value)), utf8(session));
    const target = this.path(session);
    await makeFolder(dirname(target));
    // flushed in any case: it replaces what may still be needed
    const durability = { flush: true, now: sync };
    await replaceFile(target, Buffer.concat([nonce, sealed]), durability, this.besideOf(session));
  }
}

function contentOf(held: HeldKeys): Content {
  return {
    seal: held.seal,
    slots: held.slots.map((slot) =>
      slot === undefined ? null : [toBase64Url(slot.maskSeed), toBase64Url(slot.selfSeed)],
    ),
    shares: [...held.shares].map(([dealer, text]) => [dealer, toBase64Url(text)]),
  };
}
