/**
 * Bundles our own TypeScript into dist/, one file for each program and thread; dependencies stay in node_modules, but
 * for zod: to read its hundred files takes a sixth of the start of every command. Runs after `npm ci`, takes a
 * fraction of a second.
 */
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const bundled = ['zod', 'zod-openapi']; // the second reads schemas of the first: both must mean the same zod
const external = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
  (name) => !bundled.includes(name),
);
/** zod speaks fifty languages, half of its text, which every command would read at its start. We write our own messages. */
const englishOnly = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};
await build({
  plugins: [englishOnly],
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
  external,
  conditions: ['node'],
  sourcemap: true,
  logLevel: 'warning',
});
