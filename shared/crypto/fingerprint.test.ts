import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';

/** RFC 8032 TEST 1. */
const KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

describe('keyFingerprint', () => {
  test("is the start of SHA-256 over its own prefix and the key's bytes, in groups of four", () => {
    // Python: hashlib.sha256(b'tallystick/v1 fingerprint\n' + key) = e0325eb5916ac1e0e023bb87435328d2…
    expect(keyFingerprint(KEY)).toBe('e032-5eb5-916a-c1e0-e023-bb87-4353-28d2');
  });

  test('differs between keys that differ in one bit, in every group', () => {
    const groups = (byte: number) =>
      keyFingerprint(toBase64Url(new Uint8Array(32).fill(7).fill(byte, 31))).split('-');
    const [one, other] = [groups(6), groups(7)];
    expect(one).toHaveLength(8);
    one.forEach((group, i) => expect(group).not.toBe(other[i]));
  });
});
