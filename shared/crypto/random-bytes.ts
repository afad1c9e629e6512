/** Fills a fresh array of `length` bytes: from the system, or from a seed so that it can be made again. */
export type RandomBytes = (length: number) => Uint8Array;
