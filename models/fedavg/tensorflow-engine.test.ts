import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import type * as TensorFlowCore from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { loadTensorFlow, startEngine } from '#models/fedavg/tensorflow-engine.ts';

const { tf, backend } = await loadTensorFlow();

function failToLoad(): void {
  throw new Error('no native library here\nand a long explanation');
}

describe('the engine', () => {
  test('is loaded once', async () => {
    expect(await loadTensorFlow()).toBe(await loadTensorFlow());
    expect(tf.getBackend()).toBe(backend === 'wasm' ? 'wasm' : 'tensorflow');
  });

  test('is WASM where the native library does not load, and says why', async () => {
    const engine = await startEngine(failToLoad);
    expect(engine.backend).toBe('wasm');
    expect(engine.description).toMatch(
      /^TensorFlow\.js 4\..*WASM.*\(native library: no native library here\)$/,
    );
    expect(engine.tf.getBackend()).toBe('wasm');
  });

  test('is the native library where it loads and computes', async () => {
    const engine = await startEngine(() => registerStandIn(tf));
    expect(engine.backend).toBe('tfjs-node');
    expect(engine.description).toContain('native library');
    expect(engine.tf.getBackend()).toBe('tensorflow');
    tf.removeBackend('tensorflow');
  });

  test('is WASM where the native library loads but fails at its first operation', async () => {
    const engine = await startEngine(() => {
      registerStandIn(tf);
      tf.unregisterKernel('BatchMatMul', 'tensorflow');
    });
    expect(engine.backend).toBe('wasm');
    expect(engine.description).toContain("Kernel 'BatchMatMul' not registered");
    expect(engine.tf.getBackend()).toBe('wasm');
  });

  test('starts in a worker thread, prints nothing and leaves the handlers of the process alone', async () => {
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      const handlers = () => ['uncaughtException', 'unhandledRejection'].map((e) => process.listenerCount(e));
      const before = handlers();
      import('tsx/esm/api').then(async ({ register }) => {
        register(); // on Node 20 neither the parent's loader nor --import reaches a worker
        const { loadTensorFlow } = await import(workerData);
        const { tf, backend } = await loadTensorFlow();
        const sum = tf.tidy(() => tf.add(1, 2).dataSync()[0]);
        parentPort.postMessage({ backend, sum, before, after: handlers() });
      });`;
    const workerData = new URL('tensorflow-engine.ts', import.meta.url).href;
    const worker = new Worker(code, { eval: true, workerData, stdout: true, stderr: true });
    const [[answer], printed, complained] = await Promise.all([
      once(worker, 'message'),
      text(worker.stdout),
      text(worker.stderr),
    ]);
    expect(answer).toMatchObject({ backend, sum: 3, after: answer.before });
    expect(printed + complained).toBe('');
  });
});

/** The WASM back end under the name that tfjs-node gives its own; it outlives its removal. */
function registerStandIn(tf: typeof TensorFlowCore): void {
  const wasm = tf.findBackend('wasm');
  const standIn = new Proxy(wasm, {
    get: (target, key) => (key === 'dispose' ? () => {} : Reflect.get(target, key)),
  });
  tf.registerBackend('tensorflow', () => standIn);
  tf.copyRegisteredKernels('wasm', 'tensorflow');
}
