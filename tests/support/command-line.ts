/** The built command line as a user runs it. */
import { fileURLToPath } from 'node:url';
import { Child, type ChildOptions } from './child-process.ts';

const BIN = fileURLToPath(new URL('../../bin/tallystick.js', import.meta.url));

/** Nothing of the developer's own environment leaks in. */
const CLEAN_ENV = {
  TALLYSTICK_URL: undefined,
  TALLYSTICK_TOKEN: undefined,
  TALLYSTICK_PASSPHRASE: undefined,
  DATABASE_URL: undefined,
};

export function startCommand(args: readonly string[], options: ChildOptions = {}): Child {
  return new Child(process.execPath, [BIN, ...args], { ...options, env: { ...CLEAN_ENV, ...options.env } });
}
