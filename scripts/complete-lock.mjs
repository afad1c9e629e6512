/**
 * `npm run lock:complete`: completes package-lock.json where npm lists one platform's packages only. Names the optional
 * packages of the other platforms too, so that `npm ci` accepts the lock file everywhere. They get their exact version; npm fetches them only where os and cpu fit.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const { packages } = lock;
const OS = {
  darwin: 'darwin',
  linux: 'linux',
  win32: 'win32',
  windows: 'win32',
  android: 'android',
  freebsd: 'freebsd',
  openbsd: 'openbsd',
  netbsd: 'netbsd',
  sunos: 'sunos',
  aix: 'aix',
  openharmony: 'openharmony',
};
const CPU = {
  x64: 'x64',
  x86_64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  x86: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
};

/** The part of a platform package's name that is a key of `table`, as npm calls it. */
function inName(table, name, otherwise) {
  const found = name.split(/[-/]/).find((part) => Object.hasOwn(table, part));
  return [found === undefined ? otherwise : table[found]];
}

let added = 0;
for (const [at, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${at}/node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (at === '' || packages[nested] !== undefined || packages[top] !== undefined) continue;
    if (!/^\d+\.\d+\.\d+[\w.-]*$/.test(version)) continue; // a range: nothing exact to name
    packages[top] = {
      version,
      cpu: inName(CPU, name, 'unknown'),
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
      os: inName(OS, name, 'unknown'),
    };
    added++;
  }
}
const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`);
process.stdout.write(`${added} optional packages of other platforms named\n`);
