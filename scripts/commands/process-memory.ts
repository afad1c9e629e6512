/** How V8 keeps house in a process that moves vectors. */
import { setFlagsFromString } from 'node:v8';

/**
 * Node copies each piece of a body into memory that V8 counts as the heap's. By default the heap may grow by less than
 * one vector of a million weights until everything that lives in it is marked anew, on a thread that competes with the
 * rest: at 8 banks a third of a round's CPU time. To be called before much is allocated.
 */
export function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/** What lives is some 30 MB at a coordinator and 20 MB at an agent: garbage of so many per cent of it may wait. */
const GROWING_PERCENT = 200;
