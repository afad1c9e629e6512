/**
 * Bundles our own TypeScript and the dependencies that are plain JavaScript into dist/: to find and read their eight
 * hundred files takes half of the start of every command. What brings machine code or WebAssembly of its own stays in
 * node_modules. Runs after `npm ci`, takes about a second.
 */
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const external = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) =>
  /^(@tensorflow\/|@duckdb\/|@electric-sql\/|esbuild$)/.test(name),
);
await build({
  entryPoints: {
    tallystick: 'scripts/tallystick.ts',
    'compute-thread': 'participant-agent/training/compute-thread.ts',
    bench: 'scripts/bench/bench.ts',
    'bench-agents': 'scripts/bench/bench-agents.ts',
    'stranger-load': 'scripts/bench/stranger-load.ts',
    results: 'scripts/results/results.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: [...external, 'pg-native'], // which pg would take if it were there
  conditions: ['node'],
  // CommonJS packages ask for Node's own modules
  banner: {
    js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
  },
  sourcemap: true,
  logLevel: 'warning',
});
