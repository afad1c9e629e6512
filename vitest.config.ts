import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * `unit`: pure units beside their files. `promises`: two parties, a server, a database or a process. `soak`: the
 * same promises for longer, by `npm run test:soak` only.
 */
export default defineConfig({
  test: {
    // a good part of the time is spent waiting for processes and disks
    maxWorkers: availableParallelism() + 1,
    // most code runs a few times here: V8 would spend a tenth of the time on optimising it
    execArgv: ['--interrupt-budget=1000000'],
    projects: [
      {
        test: {
          // units keep no state: files share what they import, which takes long to load
          isolate: false,
          name: 'unit',
          include: ['{shared,models,coordinator,participant-agent,scripts}/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          // what a file opens is closed with it: files share what they import, which takes long to load
          isolate: false,
          setupFiles: ['tests/support/after-each-file.ts'],
          unstubEnvs: true,
          name: 'promises',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/soak/**'],
          globalSetup: ['tests/support/global-setup.ts'],
          // whatever takes longer hangs: a slow machine starts a process in a second, and some tests start forty
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          setupFiles: ['tests/support/after-each-file.ts'],
          name: 'soak',
          include: [
            'tests/soak/**/*.test.ts',
            'tests/masked/active-coordinator.test.ts',
            'tests/fuzz/fuzz.test.ts',
          ],
          env: { TALLYSTICK_SCHEDULES: '2500', TALLYSTICK_FUZZ: '4' },
          globalSetup: ['tests/support/global-setup.ts'],
          testTimeout: 3_600_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
