import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;

/** Waits for what has no event to wait for: files and processes. @returns the first value that is not false or undefined */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs = 20_000,
): Promise<Exclude<T, false | undefined>> {
  const giveUp = Date.now() + withinMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value as Exclude<T, false | undefined>;
    if (Date.now() > giveUp) throw new Error(`waited ${withinMs} ms for ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
