/**
 * Writes Protocol Buffers messages (the wire format of protobuf.dev/programming-guides/encoding), as much of them
 * as ONNX needs. A message is a list of fields; each is a key, number · 8 + wire type, and its value:
 *
 *   0 varint   7 bits a byte, least significant first, the high bit set on all but the last
 *   2 bytes    length as varint, then that many bytes: texts, messages, packed numbers
 *   5 fixed32  four bytes, little-endian: float32
 */
import { utf8 } from '#shared/crypto/hash.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

export class ProtobufMessage {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  /** A whole number from −2^53 to 2^53; negative ones take ten bytes, as two's complement of 64 bits. */
  integer(field: number, value: number): this {
    this.append(varint(field * 8));
    this.append(varint(value));
    return this;
  }

  float(field: number, value: number): this {
    this.append(varint(field * 8 + 5));
    this.append(bytesOf(Float32Array.of(value)));
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.append(varint(field * 8 + 2));
    this.append(varint(value.length));
    this.append(value);
    return this;
  }

  message(field: number, value: ProtobufMessage): this {
    return this.bytes(field, value.toBytes());
  }

  /** Whole numbers, packed. */
  integers(field: number, values: Iterable<number>): this {
    const packed = new ProtobufMessage();
    for (const value of values) packed.append(varint(value));
    return this.bytes(field, packed.toBytes());
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  private append(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
}

function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`expected a whole number, got ${value}`);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
