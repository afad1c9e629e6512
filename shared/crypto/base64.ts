/** Strict base64url without padding (RFC 4648 section 5), and plain base64 for C2SP notes. */

/** Unpadded base64url. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** @throws RangeError unless `text` is the one canonical encoding of some bytes */
export function fromBase64Url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new RangeError('expected base64url without padding');
  const bytes = decode(text.replaceAll('-', '+').replaceAll('_', '/'));
  if (toBase64Url(bytes) !== text) throw new RangeError('expected canonical base64url');
  return bytes;
}

/** Padded base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  const step = 24_576; // a multiple of three, so that pieces join without padding; fromCharCode takes its bytes on the stack
  for (let i = 0; i < bytes.length; i += step) {
    text += btoa(String.fromCharCode(...bytes.subarray(i, i + step)));
  }
  return text;
}

/** @throws RangeError unless `text` is the one canonical padded encoding of some bytes */
export function fromBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new RangeError('expected base64');
  const bytes = decode(text);
  if (toBase64(bytes) !== text) throw new RangeError('expected canonical base64');
  return bytes;
}

function decode(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw new RangeError('expected base64', { cause });
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
