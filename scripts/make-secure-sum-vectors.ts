/**
 * Makes tests/vectors/secure-sum.json again, from the definitions of the design and node:crypto alone: none of
 * the project's own code runs here, so that a mistake in it cannot hide in its own vectors.
 *
 *   npm run vectors
 *
 * Five banks, one slot, threshold 3, bank 4 drops out after dealing. Everything follows from SHA-256 of labels,
 * but for two inputs: `sessionHash` is the hash of an open-session nobody kept, and `rosterHash` is taken over
 * advertise-keys messages whose field names were other ones then. Payloads carry hashes in base64url and the
 * short field names of the first draft (`vecRoot`, `ctRoot`, `u3`): what is fixed is the construction.
 */
import {
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  sign,
} from 'node:crypto';
import { fileURLToPath } from 'node:url';

const BANKS = [0, 1, 2, 3, 4];
const THRESHOLD = 3;
const QUORUM = 4;
const DROPPED = 4;
const SLOT = 0;
const SESSION = Buffer.from('2a412a0976db5ad0a303c307534706c88399eae41329bb84a955b078b2c16f0e', 'hex');
const ROSTER = Buffer.from('dda2936d8c36dba7b7165e2a4b1f3ca3fc12be05d552cadf22d0f2c243972d16', 'hex');
/** The leaves of the certificate-transparency reference tests: what the checkpoint is over. */
const LOG_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].concat(
  '606162636465666768696a6b6c6d6e6f',
);
const COSIGNED_AT = 1_700_000_000;

function sha256(...parts: (Buffer | string)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

function b64u(bytes: Buffer): string {
  return bytes.toString('base64url');
}

/** Key stream of AES-256-CTR from a zero counter block. */
function keyStream(key: Buffer, length: number): Buffer {
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

function hkdf(secret: Buffer, salt: Buffer, info: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32));
}

/** Raw 32-byte keys in and out of node's key objects: RFC 8410 prefixes for X25519 (6e) and Ed25519 (70). */
function privateKey(curve: '6e' | '70', secret: Buffer) {
  const prefix = Buffer.from(`302e020100300506032b65${curve}04220420`, 'hex');
  return createPrivateKey({ key: Buffer.concat([prefix, secret]), format: 'der', type: 'pkcs8' });
}

function publicKey(curve: '6e' | '70', secret: Buffer): Buffer {
  return createPublicKey(privateKey(curve, secret)).export({ format: 'der', type: 'spki' }).subarray(12);
}

function x25519(secret: Buffer, key: Buffer): Buffer {
  const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), key]);
  return diffieHellman({
    privateKey: privateKey('6e', secret),
    publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  });
}

/** RFC 6962 section 2.1, over hashes of leaves. */
function merkleRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return sha256(Buffer.of(1), merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k)));
}

function leafHash(...parts: Buffer[]): Buffer {
  return sha256(Buffer.of(0), ...parts);
}

/** What is signed: the payloads here are ASCII and flat, for which RFC 8785 only sorts the keys. */
function signatureInput(type: string, payload: Record<string, unknown>): string {
  return `tallystick/v1 ${type}\n${JSON.stringify(payload, Object.keys(payload).sort())}`;
}

/** GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, by shifting and adding. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let [factor, rest] = [a, b]; rest > 0; rest >>= 1) {
    if (rest & 1) product ^= factor;
    factor = (factor << 1) ^ (factor & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** Shares y ‖ x of all banks; the coefficients of degree 1 of all bytes come first, then those of degree 2. */
function split(secret: Buffer, draw: (length: number) => Buffer): Buffer[] {
  const coefficients = [secret, ...Array.from({ length: THRESHOLD - 1 }, () => draw(32))];
  return BANKS.map((bank) => {
    const x = bank + 1;
    const share = Buffer.alloc(33);
    let power = 1;
    for (const ofDegree of coefficients) {
      ofDegree.forEach((c, i) => (share[i]! ^= multiply(c, power)));
      power = multiply(power, x);
    }
    share[32] = x;
    return share;
  });
}

/** A bank's draws, in order: channel secret, mask seed, self seed, polynomials of the mask seed, of the self seed. */
function makeBank(bank: number) {
  const stream = keyStream(sha256(`tallystick-test drbg bank-${bank}`), 96 + 2 * 32 * (THRESHOLD - 1));
  let at = 0;
  const draw = (length: number) => stream.subarray(at, (at += length));
  const [channelSecret, maskSeed, selfSeed] = [draw(32), draw(32), draw(32)];
  return {
    channelSecret,
    maskSeed,
    selfSeed,
    maskShares: split(maskSeed, draw),
    selfShares: split(selfSeed, draw),
    channelKey: publicKey('6e', channelSecret),
    slotKey: publicKey('6e', maskSeed),
    commitment: sha256('tallystick/v1 self-seed\0', SESSION, u32(SLOT), u16(bank), selfSeed),
    // fields of a real vector: canary, a weight, a negative, the bank, beyond the sign bit, a multiple, 0, 42
    x: Uint32Array.of(1, 1000 + bank, -1, bank, 2 ** 31 + bank, 7 * bank, 0, 42),
  };
}
type Bank = ReturnType<typeof makeBank>;

/** SHA-256 of the share-keys message of bank 0. */
function shareMessageHash(banks: readonly Bank[]): Buffer {
  const dealer = banks[0]!;
  const recipientRoots: Buffer[] = [];
  const ciphertexts: Buffer[] = [];
  banks.forEach((recipient, to) => {
    const [ofMask, ofSelf] = [dealer.maskShares[to]!, dealer.selfShares[to]!];
    const commitments = [ofMask, ofSelf].map((share, kind) => {
      const where = Buffer.concat([SESSION, u32(SLOT), u16(0), u16(to), Buffer.of(kind)]);
      return leafHash(Buffer.from('tallystick/v1 share-commitment\0'), where, share);
    });
    recipientRoots.push(leafHash(merkleRoot(commitments)));
    if (to === 0) {
      ciphertexts.push(leafHash(Buffer.alloc(0)));
      return;
    }
    const route = Buffer.concat([u16(0), u16(to)]);
    const info = Buffer.concat([Buffer.from('tallystick/v1 share-channel\0'), route]);
    const key = hkdf(x25519(dealer.channelSecret, recipient.channelKey), SESSION, info);
    const cipher = createCipheriv('aes-256-gcm', key, Buffer.alloc(12));
    cipher.setAAD(Buffer.concat([SESSION, ROSTER, route]));
    const sealed = [cipher.update(Buffer.concat([ofMask, ofSelf])), cipher.final(), cipher.getAuthTag()];
    ciphertexts.push(leafHash(...sealed));
  });
  const payload = {
    session: b64u(SESSION),
    roster: b64u(ROSTER),
    from: 0,
    shareRoot: b64u(merkleRoot(recipientRoots)),
    ctRoot: b64u(merkleRoot(ciphertexts)),
  };
  return sha256(signatureInput('share-keys', payload));
}

/** A C2SP checkpoint over the reference leaves, signed by the log and cosigned by bank 0 (cosignature/v1). */
function makeCheckpoint() {
  const origin = 'tallystick.example/consortium-1';
  const witness = 'bank-0.example/witness';
  const root = merkleRoot(LOG_LEAVES.map((leaf) => leafHash(Buffer.from(leaf, 'hex'))));
  const body = `${origin}\n${LOG_LEAVES.length}\n${root.toString('base64')}\n`;
  const logSeed = sha256('tallystick-test log key');
  const witnessSeed = sha256('tallystick-test witness bank-0');
  const logKey = Buffer.concat([Buffer.of(1), publicKey('70', logSeed)]); // 1: Ed25519
  const witnessKey = Buffer.concat([Buffer.of(4), publicKey('70', witnessSeed)]); // 4: cosignature/v1
  const keyId = (name: string, key: Buffer) => sha256(`${name}\n`, key).subarray(0, 4);
  const ofLog = sign(null, Buffer.from(body), privateKey('70', logSeed));
  const cosigned = `cosignature/v1\ntime ${COSIGNED_AT}\n${body}`;
  const time = Buffer.concat([u32(0), u32(COSIGNED_AT)]);
  const ofWitness = sign(null, Buffer.from(cosigned), privateKey('70', witnessSeed));
  const line = (name: string, ...parts: Buffer[]) => `— ${name} ${Buffer.concat(parts).toString('base64')}\n`;
  const vkey = (name: string, key: Buffer) => `${name}+${hex(keyId(name, key))}+${key.toString('base64')}`;
  return {
    checkpoint: `${body}\n${line(origin, keyId(origin, logKey), ofLog)}${line(witness, keyId(witness, witnessKey), time, ofWitness)}`,
    logVkey: vkey(origin, logKey),
    witnessVkey: vkey(witness, witnessKey),
  };
}

export function makeSecureSumVectors() {
  const banks = BANKS.map(makeBank);
  const roundHash = sha256('tallystick-test ctx');
  const where = { self: 'tallystick/v1 self-mask\0', pair: 'tallystick/v1 pair-mask\0' };
  const selfKey = (bank: number) =>
    hkdf(banks[bank]!.selfSeed, roundHash, Buffer.concat([Buffer.from(where.self), u16(bank), u32(SLOT)]));
  const pairKey = (low: number, high: number) =>
    hkdf(
      x25519(banks[low]!.maskSeed, banks[high]!.slotKey),
      roundHash,
      Buffer.concat([Buffer.from(where.pair), u16(low), u16(high), u32(SLOT)]),
    );
  // y = x + own stream + streams with higher banks − streams with lower ones, word by word, modulo 2^32
  const masked = banks.map(({ x }, bank) => {
    const streams = BANKS.map((other) => ({
      sign: other < bank ? -1n : 1n,
      bytes: keyStream(
        other === bank ? selfKey(bank) : pairKey(Math.min(bank, other), Math.max(bank, other)),
        x.byteLength,
      ),
    }));
    const bytes = Buffer.alloc(x.byteLength);
    x.forEach((word, i) => {
      const y = streams.reduce((sum, s) => sum + s.sign * BigInt(s.bytes.readUInt32LE(4 * i)), BigInt(word));
      bytes.writeUInt32LE(Number(BigInt.asUintN(32, y)), 4 * i);
    });
    return bytes;
  });
  const vectorRoots = masked.map((bytes) => b64u(leafHash(bytes))); // one chunk each
  const survivors = BANKS.filter((bank) => bank !== DROPPED);
  const edSeed0 = sha256('tallystick-test ed25519 bank-0');
  const maskedInput = signatureInput('masked-input', {
    ctx: b64u(roundHash),
    slot: SLOT,
    from: 0,
    len: 8,
    ring: 'u32',
    vecRoot: vectorRoots[0],
  });
  const u3 = survivors.map((bank) => [bank, vectorRoots[bank]]);
  return {
    drbg: 'AES-256-CTR(key=SHA-256("tallystick-test drbg bank-<i>"), iv=0) keystream; draws: cSeed(32), then per slot sSeed(32), b(32); then per slot split(s) coefficients 32*(t-1) bytes (degree 1 first), then split(b)',
    n: BANKS.length,
    t: THRESHOLD,
    Q: QUORUM,
    sessionHash: hex(SESSION),
    edSeed0: hex(edSeed0),
    edPk0: hex(publicKey('70', edSeed0)),
    channelPublicKey0: hex(banks[0]!.channelKey),
    slotPublicKeys: banks.map(({ slotKey }) => hex(slotKey)),
    selfSeedCommitments: banks.map(({ commitment }) => hex(commitment)),
    rosterHash: hex(ROSTER),
    shareMsgDigest0: hex(shareMessageHash(banks)),
    maskSeed0: hex(banks[0]!.maskSeed),
    selfSeed0: hex(banks[0]!.selfSeed),
    selfSeedShare_0_to_1: hex(banks[0]!.selfShares[1]!),
    selfSeedShare_0_to_2: hex(banks[0]!.selfShares[2]!),
    selfSeedShare_0_to_3: hex(banks[0]!.selfShares[3]!),
    roundHash: hex(roundHash),
    pairKey01: hex(pairKey(0, 1)),
    pairKey01_keystream16: hex(keyStream(pairKey(0, 1), 16)),
    selfKey0: hex(selfKey(0)),
    selfKey0_keystream16: hex(keyStream(selfKey(0), 16)),
    x0: hex(Buffer.from(banks[0]!.x.buffer)),
    y0: hex(masked[0]!),
    vectorRoot0: vectorRoots[0]!,
    maskedMsgSigInput0: maskedInput,
    maskedMsgSig0: b64u(sign(null, Buffer.from(maskedInput), privateKey('70', edSeed0))),
    survivorsHash: hex(sha256(signatureInput('survivors', { ctx: b64u(roundHash), slot: SLOT, u3 }))),
    dropped: [DROPPED],
    // by definition the plain sum: what unmasking has to give
    sumOfSurvivors_0_1_2_3: Array.from(banks[0]!.x, (_, i) =>
      survivors.reduce((sum, bank) => (sum + banks[bank]!.x[i]!) % 2 ** 32, 0),
    ),
    culprits: [],
    ...makeCheckpoint(),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${JSON.stringify(makeSecureSumVectors(), undefined, 1)}\n`);
}
