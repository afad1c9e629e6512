import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { addExamples } from '#scripts/command-line/examples.ts';
import { createProgram } from '#scripts/command-line/program.ts';
import { completionScript, wordsAfter } from '#scripts/commands/completion.ts';

test('every command has an example', () => {
  expect(addExamples(createProgram())).toEqual([]);
});

test('every command is in docs/commands.md', () => {
  const page = readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| (?:anybody|operator|auditor|bank) \| (.*?) \|/gm)].map(
    ([, commands]) => commands!,
  );
  const named = rows.flatMap((cell) => {
    const [first, ...others] = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    const noun = first!.split(' ').slice(0, -1).join(' ');
    return [first!, ...others.map((name) => `${noun} ${name}`.trim())];
  });
  const paths = [...wordsAfter(createProgram()).keys()];
  const leaves = paths.filter((path) => path !== '' && !paths.some((other) => other.startsWith(`${path} `)));
  expect(leaves.filter((path) => !named.includes(path))).toEqual([]);
  expect(named.filter((path) => !leaves.includes(path))).toEqual([]);
});

/** What bash offers after these words. */
function offered(...words: string[]): string[] {
  const script = `${completionScript(createProgram(), 'bash')}
COMP_WORDS=(tallystick ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _tallystick
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
}

test.skipIf(spawnSync('bash', ['--version']).status !== 0)(
  'bash completes commands and their options',
  () => {
    expect(offered('aud')).toEqual(['audit']);
    expect(offered('audit', 've')).toEqual(['verify']);
    expect(offered('audit', 'verify', '--ch')).toEqual(['--charter']);
    expect(offered('audit', 'verify', 'spring.bundle', '--ag')).toEqual(['--against']);
    expect(offered('agent', 'policy', '')).toContain('check');
    expect(offered('run', 'stop', '9a7e', '--d')).toEqual(['--data', '--dry-run']);
  },
);
