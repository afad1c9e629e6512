/** The binary fields that go into hashes and key derivations: labels end in a zero byte, integers are big-endian. */
import { utf8 } from '#shared/crypto/hash.ts';

export function label(text: string): Uint8Array {
  return utf8(`tallystick/v1 ${text}\0`);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
