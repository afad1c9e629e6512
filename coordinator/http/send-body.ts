/** Large bodies to a reader, waiting until each piece is on its way before the next is read. */
import { open } from 'node:fs/promises';
import type { Response } from 'express';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';

/** Counts the answer, or the range of it that was asked for, once it is sent. */
export function countSent(response: Response, { bodyBytes }: CoordinatorMetrics): void {
  response.once('finish', () => {
    const hasBytes = response.statusCode === 200 || response.statusCode === 206;
    if (hasBytes) bodyBytes.inc({ direction: 'sent' }, Number(response.getHeader('content-length') ?? 0));
  });
}

/** Read and sent at once. */
const PIECE_BYTES = 524_288;

/** Resolves when the bytes may be written over; also when the reader has gone away, which is not our error. */
export function sendBytes(bytes: Uint8Array, response: Response): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve();
      return;
    }
    const gone = (): void => resolve();
    response.once('close', gone);
    response.write(bytes, () => {
      response.off('close', gone);
      resolve();
    });
  });
}

/** A file through one buffer: a stream would allocate each piece anew, and that garbage costs more than sending. */
export async function sendFile(path: string, response: Response): Promise<void> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0 || response.destroyed) return;
      await sendBytes(buffer.subarray(0, bytesRead), response);
    }
  } finally {
    await file.close();
  }
}
