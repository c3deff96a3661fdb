import { isMainThread, Worker } from 'node:worker_threads';

// Required by NODE_OPTIONS into a process that is launched to be debugged: loads the runtime and waits before the first
// line until a debugger says so. The build puts the runtime's source in place of the name below.
declare const runtimeSource: string;
// What this is bundled into is a CommonJS module, and none of the program's.
declare const require: NodeJS.Require;
Reflect.deleteProperty(require.cache, __filename);

/** The launcher's part of NODE_OPTIONS and the folder of the sockets; neither is the program's business. */
const option = process.env['FLICK_DEBUG_OPTION'];
const folder = process.env['FLICK_DEBUG_FOLDER'];
/** A debugger that never comes must not keep the program from running, in ms. */
const patience = 20_000;

if (isMainThread && option !== undefined && folder !== undefined) {
  delete process.env['FLICK_DEBUG_OPTION'];
  delete process.env['FLICK_DEBUG_FOLDER'];
  // Children are programs of their own.
  const rest = (process.env['NODE_OPTIONS'] ?? '').replace(option, '').trim();
  if (rest === '') delete process.env['NODE_OPTIONS'];
  else process.env['NODE_OPTIONS'] = rest;
  const gate = new SharedArrayBuffer(4);
  const worker = new Worker(runtimeSource, {
    eval: true,
    name: 'flick-debug',
    stdout: true,
    stderr: true,
    execArgv: [],
    env: {},
    workerData: { folder, gate },
  });
  worker.on('error', () => undefined);
  worker.unref();
  const view = new Int32Array(gate);
  const end = performance.now() + patience;
  // The inspector reaches the main thread only between two waits.
  while (Atomics.load(view, 0) === 0 && performance.now() < end) Atomics.wait(view, 0, 0, 5);
}
