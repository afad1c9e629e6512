/** The counter block at which AES-CTR key stream goes on from a byte position: position / 16, big-endian. */
export function counterBlock(fromByte: number): Uint8Array {
  if (fromByte % 16 !== 0) throw new RangeError(`expected a multiple of 16 bytes, got ${fromByte}`);
  const block = new Uint8Array(16);
  new DataView(block.buffer).setBigUint64(8, BigInt(fromByte / 16));
  return block;
}
