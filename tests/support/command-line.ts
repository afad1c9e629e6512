/** The built command line as a user runs it. */
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
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

export interface Finished {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function command(args: readonly string[], options: ChildOptions = {}): Promise<Finished> {
  const child = startCommand(args, options);
  child.process.stdin!.end();
  const code = await child.exit;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

/** The one JSON object that --json promises, on standard output and alone there. */
export function onlyJson({ stdout }: Finished): unknown {
  const lines = stdout.split('\n');
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`expected one line, got: ${stdout}`);
  return JSON.parse(lines[0]!);
}

/** Processes, ours or not, in whose command line this text occurs. */
export function processesWith(text: string): string[] {
  if (!existsSync('/proc/self/cmdline')) {
    const listed = execFileSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' });
    return listed.split('\n').filter((line) => line.includes(text));
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
      } catch {
        return ''; // it has ended meanwhile
      }
    })
    .filter((line) => line.includes(text));
}
