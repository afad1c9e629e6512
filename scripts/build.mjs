/**
 * Bundles our own TypeScript into dist/, one file for each program and thread; dependencies stay in
 * node_modules. Runs after `npm ci`, takes a fraction of a second.
 */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: {
    tallystick: 'scripts/tallystick.ts',
    'compute-thread': 'participant-agent/training/compute-thread.ts',
    'mask-thread': 'coordinator/threads/mask-thread.ts',
    'program-thread': 'coordinator/threads/program-thread.ts',
    bench: 'scripts/bench/bench.ts',
    'bench-agents': 'scripts/bench/bench-agents.ts',
    'bare-transport': 'scripts/bench/bare-transport.ts',
    results: 'scripts/results/results.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  conditions: ['node'],
  sourcemap: true,
  logLevel: 'warning',
});
