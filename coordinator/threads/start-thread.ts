/** Threads of the coordinator: sums without masks, programs with large vectors. */
import { Worker } from 'node:worker_threads';

/**
 * The build has a file of its own for each thread. From source (tests) tsx must be registered inside the thread,
 * because Node 20 does not pass loaders on to it. The process does not wait for it to end.
 * @param module of the thread's side
 * @param from `import.meta.url` of the caller, in whose folder it is
 */
export function startThread(module: string, from: string): Worker {
  const worker = from.endsWith('.ts')
    ? new Worker(fromSource(new URL(`./${module}.ts`, from).href), { eval: true })
    : new Worker(new URL(`./${module}.js`, from));
  worker.unref();
  return worker;
}

function fromSource(url: string): string {
  return `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(url)}); })`;
}
