/**
 * The one place that loads TensorFlow.js. The native build (`@tensorflow/tfjs-node`) is taken when its
 * library is on this machine and computes correctly, else the WASM build, whose files lie in node_modules:
 * nothing is ever fetched, so a bank's closed network is no obstacle.
 *
 * Only the core and one back end are loaded, in 60 ms; the union package `@tensorflow/tfjs` takes 130 ms and
 * brings layers, converters and WebGL that nobody here calls. Both by require: import() takes 150 ms for the
 * same two files, because it scans them for export names first.
 *
 * In Node the WASM back end runs on one thread, with SIMD. On a given machine it returns the same bits for
 * the same inputs, in any process or worker thread. Across processors it need not: its kernels (XNNPACK) are
 * chosen by instruction set. The native build is multi-threaded and promises neither. Hence nothing that
 * others must reproduce may depend on what this computes; only a bank's own answer does.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type * as WasmBackend from '@tensorflow/tfjs-backend-wasm';
import type * as TensorFlowCore from '@tensorflow/tfjs-core';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

export type TensorFlow = typeof TensorFlowCore;

export interface TensorFlowEngine {
  readonly tf: TensorFlow;
  readonly backend: 'tfjs-node' | 'wasm';
  /** For the log, in words: version, back end and, for WASM, why not the native build. */
  readonly description: string;
}

let engine: Promise<TensorFlowEngine> | undefined;

/**
 * Loads TensorFlow.js, once a thread.
 * @throws FederationError INTERNAL when not even the WASM back end starts
 */
export function loadTensorFlow(): Promise<TensorFlowEngine> {
  engine ??= startEngine(loadNative);
  return engine;
}

/** @param loadNative registers the back end `tensorflow`; the tests, which have no native library, pass theirs */
export async function startEngine(loadNative: () => void): Promise<TensorFlowEngine> {
  const tf = load('@tensorflow/tfjs-core') as TensorFlow;
  // Silences the banner and the notes about what is registered twice; tfjs-node uses this very core.
  tf.enableProdMode();
  try {
    loadNative();
    await assertComputes(tf, 'tensorflow');
    return { tf, backend: 'tfjs-node', description: `TensorFlow.js ${tf.version_core}, native library` };
  } catch (error) {
    // it is an optional dependency: not to have it is no fault
    const isThere = (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
    const why = isThere ? describeError(error).split('\n', 1)[0]!.trim() : 'not installed, not needed';
    await startWasm(tf);
    const description = `TensorFlow.js ${tf.version_core}, WASM, one thread (native library: ${why})`;
    return { tf, backend: 'wasm', description };
  }
}

const load = createRequire(import.meta.url);

function loadNative(): void {
  // To load the package only to see it fail costs 270 ms; `lib` is there once npm has fetched or built it.
  if (!existsSync(join(packageFolder('@tensorflow/tfjs-node'), 'lib'))) throw new Error('not installed');
  load('@tensorflow/tfjs-node');
}

async function startWasm(tf: TensorFlow): Promise<void> {
  const wasm = load('@tensorflow/tfjs-backend-wasm') as typeof WasmBackend;
  wasm.setWasmPaths(join(packageFolder('@tensorflow/tfjs-backend-wasm'), 'dist') + sep);
  await keepingProcessHandlers(() => assertComputes(tf, 'wasm'));
}

/**
 * A library can load and yet not work: tfjs-node on Node ≥ 23 fails at its first operation, for want of
 * util.isNullOrUndefined.
 */
async function assertComputes(tf: TensorFlow, backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) {
    throw new FederationError('INTERNAL', `the TensorFlow.js back end "${backend}" does not start`);
  }
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [5]])).dataSync()[0]);
  if (product !== 13) {
    throw new FederationError('INTERNAL', `TensorFlow.js on "${backend}" computes 1·3 + 2·5 = ${product}`);
  }
}

/**
 * Emscripten's start-up code adds handlers to the process that rethrow every uncaught exception and every
 * unhandled rejection, which would end the program before its own handlers: they are taken out again.
 */
async function keepingProcessHandlers(start: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'];
  const before = events.map((event) => new Set(process.rawListeners(event)));
  try {
    await start();
  } finally {
    for (const [i, event] of events.entries()) {
      for (const listener of process.rawListeners(event)) {
        if (!before[i]!.has(listener)) process.removeListener(event, listener as () => void);
      }
    }
  }
}

function packageFolder(name: string): string {
  return dirname(load.resolve(`${name}/package.json`));
}
