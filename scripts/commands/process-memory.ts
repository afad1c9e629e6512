/** How V8 keeps house in a process that moves vectors. */
import { setFlagsFromString } from 'node:v8';

/**
 * Node copies each piece of a body, and each piece of a key stream, into memory that V8 counts as the heap's. By default
 * the heap may grow by less than one vector of a million weights until everything that lives in it is marked anew, on a
 * thread that competes with the rest: at 8 banks a third of a round's CPU time. To be called before much is allocated.
 */
export function collectLessOften(process: keyof typeof GROWING_PERCENT): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT[process]}`);
}

/**
 * Garbage may wait that is so many per cent of what lives: some 30 MB at a coordinator, which has vectors of many banks
 * in memory besides, and 20 MB at an agent, which makes a key stream for each other bank.
 */
const GROWING_PERCENT = { coordinator: 100, agent: 400 };
