/** A question before what cannot be undone: answered by typing a name, or beforehand with --yes. */
import { createInterface } from 'node:readline/promises';
import { print, printJson, say } from '#scripts/commands/output.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export interface ConfirmOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/**
 * @param what would happen, as a sentence
 * @param name what is to be typed
 * @returns whether to do it; false after --dry-run, which has said what would happen
 * @throws FederationError USAGE when there is nobody to ask, or the answer is another
 */
export async function isConfirmed(what: string, name: string, options: ConfirmOptions): Promise<boolean> {
  if (options.dryRun === true) {
    if (options.json === true) printJson({ dryRun: true, would: what });
    else print(`${inert(what)} Nothing was done (--dry-run).`);
    return false;
  }
  if (options.yes === true) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new FederationError(
      'USAGE',
      `${what} That cannot be undone: say so with --yes, or look first with --dry-run`,
    );
  say(`${inert(what)} That cannot be undone.`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`Type "${inert(name)}" to go on: `);
    if (answer.trim() === name) return true;
  } finally {
    lines.close();
  }
  throw new FederationError('USAGE', 'another answer: nothing was done');
}
