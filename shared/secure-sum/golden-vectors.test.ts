/**
 * tests/vectors/secure-sum.json fixes every byte of the construction, so that another language could read and
 * check what we write. `scripts/make-secure-sum-vectors.ts` makes the file without the project's code.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { fromBase64, fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { backend as nodeBackend } from '#shared/crypto/backend-node.ts';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { fromHex, sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { assertSignedBy, messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { openCheckpoint, signCheckpoint } from '#shared/ledger/checkpoint.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { drawSecrets, publicKeysOf, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { inputMasks, pairMaskKey, selfMaskKey } from '#shared/secure-sum/mask-keys.ts';
import { assertShareFits, BankFault, masksOfSum, openedSeed } from '#shared/secure-sum/open-sum.ts';
import { splitSecret } from '#shared/secure-sum/secret-sharing.ts';
import { dealShares, openPackage, ownShares, packageFor } from '#shared/secure-sum/share-table.ts';
import { commitmentIn, rootsOfTable, shareIn } from '#shared/secure-sum/share-table-layout.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';

const FILE = new URL('../../tests/vectors/secure-sum.json', import.meta.url);
const GENERATOR = fileURLToPath(new URL('../../scripts/make-secure-sum-vectors.ts', import.meta.url));

interface Vectors {
  readonly [key: string]: unknown;
  readonly n: number;
  readonly sessionHash: string;
  readonly rosterHash: string;
  readonly roundHash: string;
  readonly dropped: number[];
  readonly maskedMsgSigInput0: string;
  readonly checkpoint: string;
  readonly logVkey: string;
  readonly witnessVkey: string;
}
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors;

/** Inputs: nobody kept the open-session, and the roster is over messages whose field names were other ones. */
const sessionHash = fromHex(vectors.sessionHash);
const rosterHash = fromHex(vectors.rosterHash);
const roundHash = sha256(utf8('tallystick-test ctx'));
const identitySeed = sha256(utf8('tallystick-test ed25519 bank-0'));

const { quorum, threshold } = thresholdsFor(vectors.n);
const context = { sessionHash, rosterHash, banks: vectors.n, slots: 1, threshold };
const everybody = Array.from({ length: vectors.n }, (_, bank) => bank);
const survivors = everybody.filter((bank) => !vectors.dropped.includes(bank));

/** What bank i draws, always from its beginning. */
function drawnBy(bank: number) {
  const random = seededBytes(sha256(utf8(`tallystick-test drbg bank-${bank}`)));
  return { secrets: drawSecrets(1, random), random };
}

const banks = everybody.map((bank) => {
  const { secrets } = drawnBy(bank);
  return { ...secrets, slot: secrets.slots[0]!, keys: publicKeysOf(secrets, sessionHash, bank) };
});
const channelKeys = banks.map(({ keys }) => keys.channelKey);
const slotKeys = new Map(banks.map(({ keys }, bank) => [bank, keys.slotKeys[0]!]));
const tables = everybody.map((bank) => {
  const { secrets, random } = drawnBy(bank);
  return dealShares(context, bank, secrets, channelKeys, random);
});

const plain = everybody.map((u) => Uint32Array.of(1, 1000 + u, -1, u, 2 ** 31 + u, 7 * u, 0, 42));
const masked = plain.map((vector, bank) => {
  const words = vector.slice();
  applyMasks(words, inputMasks(roundHash, 0, bank, banks[bank]!.slot, everybody, slotKeys));
  return words;
});

/** The share of bank 0's self seed that `to` reads out of its package. */
function shareOf0(to: number): string {
  return toHex(shareIn(sharesFor(to, 0), 0, 'self'));
}

/** What bank `to` holds of a dealer: from its package, or from its own polynomials. */
function sharesFor(to: number, dealer: number): Uint8Array {
  if (to === dealer) {
    const { secrets, random } = drawnBy(to);
    return ownShares(context, to, secrets, random);
  }
  const table = tables[dealer]!;
  return openPackage(
    packageFor(table, context, to),
    context,
    dealer,
    to,
    rootsOfTable(table, context, dealer),
    banks[to]!.channelSecret,
    channelKeys[dealer]!,
  );
}

/** Unmasks with the shares of three banks, each share checked. */
function openSum(revealers: readonly number[]) {
  const fixed = {
    sessionHash,
    roundHash,
    slot: 0,
    threshold,
    dealers: everybody,
    survivors,
    slotKeys,
    seedCommitments: new Map(banks.map(({ keys }, bank) => [bank, keys.seedCommitments[0]!])),
  };
  const culprits: number[] = [];
  const sum = createWords('u32', 8);
  for (const bank of survivors) addInto(sum, masked[bank]!);
  try {
    const revealed = revealers.map((revealer) => {
      const shares = everybody.map((dealer) => {
        const kind = openedSeed(dealer, survivors);
        const share = shareIn(sharesFor(revealer, dealer), 0, kind);
        const commitment = commitmentIn(tables[dealer]!, context, 0, revealer, kind);
        assertShareFits(share, fixed, dealer, revealer, kind, commitment);
        return share;
      });
      return [revealer, shares] as const;
    });
    applyMasks(sum, masksOfSum(fixed, new Map(revealed)));
  } catch (error) {
    if (!(error instanceof BankFault)) throw error;
    culprits.push(error.culprit);
  }
  return { sum: Array.from(sum, Number), culprits };
}

const hash64 = (hash: string) => toBase64Url(fromHex(hash));
const ctx = hash64(toHex(roundHash));
const vecRoot = (bank: number) => hash64(vectorRoot(masked[bank]!));
const maskedInput = { ctx, slot: 0, from: 0, len: 8, ring: 'u32', vecRoot: vecRoot(0) };
const { shareRoot, cipherRoot } = rootsOfTable(tables[0]!, context, 0);
const pairKey01 = pairMaskKey(roundHash, 0, [0, 1], banks[0]!.slot.maskSeed, slotKeys.get(1)!);
const selfKey0 = selfMaskKey(roundHash, 0, 0, banks[0]!.slot.selfSeed);
const peek = drawnBy(0);
splitSecret(banks[0]!.slot.maskSeed, vectors.n, threshold, peek.random);
const selfShares = splitSecret(banks[0]!.slot.selfSeed, vectors.n, threshold, peek.random);
const opened = openSum([1, 3, 4]);
const [checkpointText, signatureLines] = vectors.checkpoint.split('\n\n') as [string, string];
const [origin, size, root64] = checkpointText.split('\n') as [string, string, string];
/** C2SP verifier key: name+id+base64 of an algorithm byte and the key. */
const keyIn = (vkey: string) => fromBase64(vkey.replace(/^[^+]+\+[0-9a-f]{8}\+/, '')).subarray(1);

/** Every value of the file, from the project's code. */
const reproduced: Record<string, unknown> = {
  drbg: expect.stringContaining('"tallystick-test drbg bank-<i>"'),
  n: banks.length,
  t: threshold,
  Q: quorum,
  sessionHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  rosterHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  roundHash: toHex(roundHash),
  edSeed0: toHex(identitySeed),
  edPk0: toHex(publicKeyOf(identitySeed)),
  channelPublicKey0: toHex(banks[0]!.keys.channelKey),
  slotPublicKeys: banks.map(({ keys }) => toHex(keys.slotKeys[0]!)),
  selfSeedCommitments: banks.map(({ keys }) => toHex(keys.seedCommitments[0]!)),
  shareMsgDigest0: messageHash('share-keys', {
    session: hash64(vectors.sessionHash),
    roster: hash64(vectors.rosterHash),
    from: 0,
    shareRoot: hash64(shareRoot),
    ctRoot: hash64(cipherRoot),
  }),
  maskSeed0: toHex(banks[0]!.slot.maskSeed),
  selfSeed0: toHex(banks[0]!.slot.selfSeed),
  selfSeedShare_0_to_1: shareOf0(1),
  selfSeedShare_0_to_2: shareOf0(2),
  selfSeedShare_0_to_3: shareOf0(3),
  pairKey01: toHex(pairKey01),
  pairKey01_keystream16: toHex(nodeBackend.keyStream(pairKey01, 0).next(16)),
  selfKey0: toHex(selfKey0),
  selfKey0_keystream16: toHex(portableBackend.keyStream(selfKey0, 0).next(16)),
  x0: toHex(bytesOf(plain[0]!)),
  y0: toHex(bytesOf(masked[0]!)),
  vectorRoot0: vecRoot(0),
  maskedMsgSigInput0: `tallystick/v1 masked-input\n${canonicalJson(maskedInput)}`,
  maskedMsgSig0: signMessage('masked-input', maskedInput, identitySeed).sig,
  survivorsHash: messageHash('survivors', { ctx, slot: 0, u3: survivors.map((u) => [u, vecRoot(u)]) }),
  dropped: everybody.filter((bank) => openedSeed(bank, survivors) === 'mask'),
  sumOfSurvivors_0_1_2_3: opened.sum,
  culprits: opened.culprits,
  checkpoint: expect.stringContaining(
    signCheckpoint(origin, Number(size), fromBase64(root64), sha256(utf8('tallystick-test log key'))),
  ),
  logVkey: expect.stringMatching(/^tallystick\.example\/consortium-1\+34166a06\+/),
  witnessVkey: expect.stringMatching(/^bank-0\.example\/witness\+2324880b\+/),
};

describe('the golden vectors', () => {
  test.each(Object.keys(vectors))('%s is reproduced', (key) => {
    expect(vectors[key]).toEqual(reproduced[key]);
  });

  test('are what the definitions give without any of our code', () => {
    const made = execFileSync(process.execPath, ['--import', 'tsx', GENERATOR], { encoding: 'utf8' });
    expect(made).toBe(readFileSync(FILE, 'utf8'));
  });
});

test('the signed input of bank 0 hashes and verifies like any message', () => {
  const message = signMessage('masked-input', maskedInput, identitySeed);
  expect(messageHash('masked-input', maskedInput)).toBe(toHex(sha256(utf8(vectors.maskedMsgSigInput0))));
  expect(() => assertSignedBy(message, toBase64Url(publicKeyOf(identitySeed)))).not.toThrow();
  expect(fromBase64Url(message.sig)).toHaveLength(64);
});

test('the shares in the packages are the polynomials, evaluated in roster order', () => {
  expect([1, 2, 3, 4].map(shareOf0)).toEqual(selfShares.slice(1).map(toHex));
  expect(shareOf0(0)).toBe(toHex(selfShares[0]!));
});

test('any three of the five banks open the same sum, also with the help of the one that dropped', () => {
  const threes = everybody.flatMap((a) =>
    everybody.flatMap((b) => everybody.filter((c) => a < b && b < c).map((c) => [a, b, c])),
  );
  expect(threes).toHaveLength(10);
  for (const three of threes) expect(openSum(three)).toEqual(opened);
});

test("the checkpoint opens with the log's key and carries the cosignature of a bank", () => {
  const { root } = openCheckpoint(vectors.checkpoint, origin, keyIn(vectors.logVkey));
  const tree = JSON.parse(
    readFileSync(new URL('../../tests/vectors/merkle-tree.json', import.meta.url), 'utf8'),
  ) as { roots: string[] };
  expect(root).toBe(tree.roots[8]);
  // C2SP cosignature/v1: key id, time, signature over a header with the time and the checkpoint
  const blob = fromBase64(/^— bank-0\.example\/witness (.*)$/m.exec(signatureLines)![1]!);
  const seconds = Buffer.from(blob).readBigUInt64BE(4);
  const text = utf8(`cosignature/v1\ntime ${seconds}\n${checkpointText}\n`);
  expect(nodeBackend.ed25519Verify(keyIn(vectors.witnessVkey), text, blob.subarray(12))).toBe(true);
});
