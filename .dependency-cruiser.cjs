/** Who may import whom. `npm run check:rules` fails on any violation. */
const fromTests = '\\.test\\.ts$';
/** One door for each library: only files matching `door` may import it. */
const door = (name, library, where) => ({
  name: `door-${name}`,
  severity: 'error',
  comment: `${name} is used in one place only: ${where}`,
  from: { pathNot: [where, fromTests, '^tests/'] },
  to: { path: `(^|node_modules/)${library}(/|$)`, dependencyTypesNot: ['type-only'] },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'shared-is-below-everything',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(models|coordinator|participant-agent|scripts|tests)/' },
    },
    {
      name: 'shared-is-pure',
      severity: 'error',
      comment:
        'no I/O in shared but for its platform; node:crypto only in its Node back end, which browsers never see',
      from: {
        path: '^shared/',
        pathNot: ['^shared/crypto/backend-node\\.ts$', '^shared/platform/', fromTests],
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'platform-is-for-processes',
      severity: 'error',
      comment: 'files, clock: what the two sides share and nothing pure may know, types included',
      from: { pathNot: '^(coordinator|participant-agent|scripts|tests|shared/platform)/' },
      to: { path: '^shared/platform/' },
    },
    {
      name: 'models-import-shared-only',
      severity: 'error',
      from: { path: '^models/' },
      to: { path: '^(coordinator|participant-agent|scripts|tests)/' },
    },
    {
      name: 'engines-only-inside-banks',
      severity: 'error',
      comment: 'programs, scorers and the coordinator load no training engine',
      from: {
        path: '^(models|coordinator|shared)/',
        pathNot: [
          '^models/answerers\\.ts$',
          '^models/[^/]+/(answer|train-[^/]+|tensorflow-engine)\\.ts$',
          fromTests,
        ],
      },
      to: { path: '^models/(answerers\\.ts|[^/]+/(answer|train-[^/]+|tensorflow-engine)\\.ts)$' },
    },
    {
      name: 'the-two-sides-do-not-know-each-other',
      severity: 'error',
      from: { path: '^coordinator/' },
      to: { path: '^(participant-agent|scripts|tests)/' },
    },
    {
      name: 'the-two-sides-do-not-know-each-other-either',
      severity: 'error',
      from: { path: '^participant-agent/' },
      to: { path: '^(coordinator|scripts|tests)/' },
    },
    {
      name: 'coordinator-store-is-the-bottom',
      severity: 'error',
      from: { path: '^coordinator/store/' },
      to: { path: '^coordinator/(?!store/)' },
    },
    {
      name: 'coordinator-rounds-know-no-transport',
      severity: 'error',
      from: { path: '^coordinator/(rounds|participants|journal)/' },
      to: { path: '^coordinator/(http|sockets)/' },
    },
    {
      name: 'phases-do-not-know-each-other',
      severity: 'error',
      from: { path: '^(coordinator|participant-agent)/rounds/phases/' },
      to: { path: '^(coordinator|participant-agent)/rounds/phases/' },
    },
    {
      name: 'nothing-imports-scripts-or-tests',
      severity: 'error',
      from: { pathNot: ['^scripts/', '^tests/'] },
      to: { path: '^(scripts|tests)/' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '^scripts/build\\.mjs$'] },
      to: {},
    },
    door('express', 'express', '^coordinator/http/'),
    door('socket.io', 'socket\\.io', '^coordinator/(sockets/|coordinator\\.ts)'),
    door(
      'socket.io-client',
      'socket\\.io-client',
      '^(participant-agent/transport/connection|scripts/operator/operator-client)\\.ts',
    ),
    door('kysely', 'kysely', '^coordinator/store/'),
    door('pg', 'pg', '^coordinator/store/'),
    door('pglite', '@electric-sql/pglite', '^coordinator/store/'),
    door('duckdb', '@duckdb/node-api', '^participant-agent/data/'),
    door('tensorflow', '@tensorflow/[^/]+', '^models/[^/]+/(train-[^/]+|tensorflow-engine)\\.ts'),
    door('pino', 'pino', '^(coordinator|participant-agent)/logger\\.ts'),
    door('prom-client', 'prom-client', '^coordinator/metrics\\.ts'),
    door('commander', 'commander', '^scripts/(tallystick\\.ts|command-line/)'),
    door('yaml', 'yaml', '^(participant-agent/config|scripts/operator/plan-file)\\.ts'),
    door('tweetnacl', 'tweetnacl', '^shared/crypto/'),
    door('noble-hashes', '@noble/hashes', '^shared/crypto/'),
    door('noble-ciphers', '@noble/ciphers', '^shared/crypto/'),
    door('helmet', 'helmet', '^coordinator/http/app\\.ts'),
    door('zod-openapi', 'zod-openapi', '^coordinator/http/openapi\\.ts'),
    door('esbuild', 'esbuild', '^scripts/build\\.mjs'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'require', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
