import { expect, test } from 'vitest';
import { ProtobufMessage } from '#models/export/protobuf.ts';

const hex = (message: ProtobufMessage) => Buffer.from(message.toBytes()).toString('hex');

test('the examples of the encoding guide come out byte for byte', () => {
  expect(hex(new ProtobufMessage().integer(1, 150))).toBe('089601');
  expect(hex(new ProtobufMessage().text(2, 'testing'))).toBe('120774657374696e67');
  const inner = new ProtobufMessage().integer(1, 150);
  expect(hex(new ProtobufMessage().message(3, inner))).toBe('1a03089601');
  expect(hex(new ProtobufMessage().integers(6, [3, 270, 86942]))).toBe('3206038e029ea705');
});

test('negative numbers take ten bytes, floats four, and long field numbers two for the key', () => {
  expect(hex(new ProtobufMessage().integer(1, -2))).toBe('08feffffffffffffffff01');
  expect(hex(new ProtobufMessage().float(1, 1.5))).toBe('0d0000c03f');
  expect(hex(new ProtobufMessage().integer(20, 1))).toBe('a00101');
  expect(hex(new ProtobufMessage().integer(1, 2 ** 40))).toBe('08808080808020');
});

test('texts are UTF-8, and what is no whole number is refused', () => {
  expect(hex(new ProtobufMessage().text(1, 'é'))).toBe('0a02c3a9');
  expect(() => new ProtobufMessage().integer(1, 0.5)).toThrow(RangeError);
});
