import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Turns } from '../../common/turns.ts';
import { FlickError, type Debuggee } from '../../protocol/index.ts';
import { readProcLink } from '../procfs/read.ts';
import { readStatus } from '../procfs/status.ts';
import {
  defaultInspectorPort,
  findInspector,
  isPortTaken,
  likelyInspectors,
  listenersOf,
  type InspectorAddress,
  type Listener,
} from './inspectorPort.ts';
import { freeDebugPort } from './debugPort.ts';
import { sendOpeningSignal } from './openingSignal.ts';
import { runtimeSource } from './runtimeSource.ts';
import { usr1Handler, type Usr1Handler } from './signalHandlers.ts';

/** How long a process may take to open its inspector, in ms, where others use its processor, and how often is looked. */
const openPatience = 8_000;
const openInterval = 10;
/** How long a process may take until it listens to the signal, in ms: before that the signal would end it. */
const startPatience = 2_000;
/** How long a process may take to be gone once its inspector does not answer any more, in ms. */
const endPatience = 300;
/** How often the runtime is loaded into a program that has just begun, and after what pause, in ms. */
const loadAgain = 3;
const loadInterval = 200;
/** How long the inspector may take to evaluate one expression, in ms: a main thread that computes is interrupted. */
const evaluatePatience = 5_000;
/** A process that was busy opens its inspector when it gets to it; that is then closed again. In ms. */
const lateWatch = 10 * 60_000;
const lateInterval = 1_000;
/** One after the other in each network, until a process has its port: of two at once, one would find it taken. */
const openings = new Turns();

/**
 * Loads the debug runtime into a Node.js process that was not prepared for it: SIGUSR1 makes Node.js open its inspector,
 * one evaluation there starts the runtime, and the inspector is closed again unless it had been open before.
 * @param folder of the runtime's socket, as the process sees it
 * @throws {FlickError} `notSupported` with the reason when the process does not let itself be debugged; `processGone`
 * when it ends meanwhile
 */
export async function injectRuntime(debuggee: Debuggee, folder: string): Promise<void> {
  await withInspector(debuggee, (inspector) => load(inspector, debuggee, folder));
}

/**
 * Has the inspector of a Node.js process open while `use` runs; it is closed again unless it had been open before, which
 * `use` is told.
 * @throws {FlickError} `notSupported` with the reason when the process does not open it; `processGone` when it ends
 */
export async function withInspector<T>(
  debuggee: Debuggee,
  use: (inspector: InspectorAddress, wasOpen: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await openFor(debuggee, use);
  } catch (error) {
    // Whatever failed first when the process ended in between, that it ended is the reason. Its inspector goes before it.
    const deadline = performance.now() + endPatience;
    while (performance.now() < deadline) {
      await requireAlive(debuggee.pid);
      await delay(openInterval);
    }
    throw error;
  }
}

async function openFor<T>(
  debuggee: Debuggee,
  use: (inspector: InspectorAddress, wasOpen: boolean) => Promise<T>,
): Promise<T> {
  const { pid } = debuggee;
  const before = await listenersOf(pid);
  const own = await findInspector(await likelyInspectors(pid, before));
  if (own !== undefined) return await use(own, true);
  await refuseIfUnwilling(debuggee);
  const opened = await openInspector(pid, before);
  if (opened === undefined) {
    // The program has opened it by itself, on a port of its choice; the signal changes nothing then.
    const theirs = await findInspector(before);
    if (theirs !== undefined) return await use(theirs, true);
    void closeLate(debuggee, before);
    throw await didNotOpen(debuggee);
  }
  try {
    return await use(opened, false);
  } finally {
    await closeInspector(opened);
  }
}

/**
 * Has a process open its inspector: on a port of its own where the usual one is taken, which two of one network cannot
 * find free at once.
 */
async function openInspector(
  pid: number,
  before: readonly Listener[],
): Promise<InspectorAddress | undefined> {
  const network = (await readProcLink(`/proc/${pid}/ns/net`)) ?? '';
  const open = (): Promise<OpeningResult> => openings.take(network, () => askToOpen(pid, before));
  const first = await open();
  if (first.inspector !== undefined || first.onOwnPort) return first.inspector;
  // Somebody else has taken the port in between, whose turns are not ours.
  if (!(await isPortTaken(pid, defaultInspectorPort))) return undefined;
  return (await open()).inspector;
}

interface OpeningResult {
  readonly inspector: InspectorAddress | undefined;
  /** Whether the process was made to choose a port. */
  readonly onOwnPort: boolean;
}

async function askToOpen(pid: number, before: readonly Listener[]): Promise<OpeningResult> {
  const restorePort = (await isPortTaken(pid, defaultInspectorPort))
    ? await freeDebugPort(pid, defaultInspectorPort)
    : undefined;
  try {
    await sendOpeningSignal(pid);
    const inspector = await awaitInspector(pid, before);
    return { inspector, onOwnPort: restorePort !== undefined };
  } finally {
    await restorePort?.();
  }
}

/** @throws {FlickError} when the signal would not do what it is meant to do */
async function refuseIfUnwilling({ pid, command }: Debuggee): Promise<void> {
  switch (await settledUsr1Handler(pid)) {
    case 'program':
      throw new FlickError(
        'notSupported',
        `${label(command, pid)} listens to SIGUSR1 itself, the signal by which a running Node.js is made to open its debugger; Flick does not send it then.`,
        {
          remedy:
            'Start it for debugging instead (a launch configuration, or node --inspect), or let it listen to another signal.',
        },
      );
    case 'nobody':
      throw new FlickError(
        'notSupported',
        `${label(command, pid)} does not react to SIGUSR1: it is still starting, or was started with --disable-sigusr1.`,
        { remedy: 'Try again in a moment, or start it for debugging with a launch configuration.' },
      );
    case 'node':
    case 'unknown':
  }
}

/** A process that has just been started gets the time to come to the point where it listens. */
async function settledUsr1Handler(pid: number): Promise<Usr1Handler> {
  const deadline = performance.now() + startPatience;
  for (;;) {
    const handler = await usr1Handler(pid);
    await requireAlive(pid);
    if (handler !== 'nobody' || performance.now() > deadline) return handler;
    await delay(openInterval);
  }
}

/** @throws {FlickError} `processGone` */
export async function requireAlive(pid: number): Promise<void> {
  const state = (await readStatus(pid))?.state;
  if (state !== undefined && !['Z', 'X'].includes(state)) return;
  throw new FlickError('processGone', 'The process ended meanwhile.');
}

/** @param before the ports that the process listened on before it was asked to open its inspector */
async function awaitInspector(
  pid: number,
  before: readonly Listener[],
): Promise<InspectorAddress | undefined> {
  const deadline = performance.now() + openPatience;
  while (performance.now() < deadline) {
    const inspector = await findInspector(newOnes(await listenersOf(pid), before));
    if (inspector !== undefined) return inspector;
    await requireAlive(pid);
    await delay(openInterval);
  }
  return undefined;
}

function newOnes(now: readonly Listener[], before: readonly Listener[]): readonly Listener[] {
  return now.filter(
    ({ host, port }) => !before.some((each) => each.host === host && each.port === port),
  );
}

async function load(
  inspector: InspectorAddress,
  { pid, innerPid, command }: Debuggee,
  folder: string,
): Promise<void> {
  const expression = loadExpression(innerPid, folder);
  let answer = await evaluate(inspector, [expression]);
  // A program that has just begun may not have set up what the runtime needs.
  for (let again = 0; again < loadAgain && !['loaded', 'other'].includes(answer); again += 1) {
    await delay(loadInterval);
    answer = await evaluate(inspector, [expression]);
  }
  if (answer === 'loaded') return;
  throw new FlickError(
    'notSupported',
    answer === 'other'
      ? `The inspector of ${label(command, pid)} belongs to another process.`
      : `The debug runtime could not be loaded into ${label(command, pid)}: ${answer}.`,
    { remedy: 'Start it for debugging with a launch configuration.' },
  );
}

/** Starts the runtime's worker, once in a process. */
function loadExpression(innerPid: number, folder: string): string {
  const workerData = JSON.stringify({ folder, gate: null });
  return `(() => {
      if (process.pid !== ${innerPid}) return 'other';
      const load = typeof require === 'function' ? require : process.getBuiltinModule('module').createRequire('/');
      const key = Symbol.for('flick.debugRuntime');
      if (process[key] !== undefined && process[key].threadId >= 0) return 'loaded';
      const { Worker } = load('node:worker_threads');
      const worker = new Worker(${JSON.stringify(runtimeSource)}, {
        eval: true, name: 'flick-debug', stdout: true, stderr: true, execArgv: [], env: {}, workerData: ${workerData},
      });
      Object.defineProperty(process, key, { value: worker, configurable: true });
      worker.on('error', () => {});
      worker.on('exit', () => { delete process[key]; });
      worker.unref();
      return 'loaded';
    })()`;
}

/**
 * Never waited for: closing the inspector blocks the program until its last client has gone. Node.js opens it by an
 * interrupt and, once more, in the next turn of the event loop; in a program that was busy that is still to come.
 */
async function closeInspector(inspector: InspectorAddress): Promise<void> {
  const expression = `(() => {
    const load = typeof require === 'function' ? require : process.getBuiltinModule('module').createRequire('/');
    const inspector = load('node:inspector');
    load('node:timers').setImmediate(() => inspector.close()).unref();
    inspector.close();
  })()`;
  await talk(inspector, (socket) => {
    socket.send(evaluation(1, expression), () => socket.terminate());
  }).catch(() => undefined);
}

/** @returns the value of the last expression as text */
async function evaluate(
  inspector: InspectorAddress,
  expressions: readonly string[],
): Promise<string> {
  let answer = 'it did not answer';
  await talk(inspector, (socket) => {
    const timer = setTimeout(() => socket.terminate(), evaluatePatience);
    expressions.forEach((expression, index) => socket.send(evaluation(index + 1, expression)));
    socket.on('close', () => clearTimeout(timer));
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as {
        id?: number;
        result?: {
          result?: { value?: unknown };
          exceptionDetails?: { exception?: { description?: string }; text?: string };
        };
      };
      if (message.id === undefined) return;
      const { result, exceptionDetails } = message.result ?? {};
      answer =
        exceptionDetails === undefined
          ? String(result?.value)
          : (exceptionDetails.exception?.description?.split('\n')[0] ?? 'it threw');
      if (message.id === expressions.length) socket.terminate();
    });
  });
  return answer;
}

/** Resolves when the connection has ended, however it did. */
export async function talk(
  { webSocketUrl }: InspectorAddress,
  opened: (socket: WebSocket) => void,
): Promise<void> {
  const socket = new WebSocket(webSocketUrl, { handshakeTimeout: evaluatePatience });
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => opened(socket));
    socket.on('close', () => resolve());
    socket.on('error', (error) => {
      reject(new FlickError('notSupported', `The inspector did not answer: ${error.message}`));
    });
  });
}

function evaluation(id: number, expression: string): string {
  const params = { expression, includeCommandLineAPI: true, returnByValue: true, silent: true };
  return JSON.stringify({ id, method: 'Runtime.evaluate', params });
}

/** The signal stays with a process that was too busy for it; what it opens then is not left open. */
async function closeLate({ pid }: Debuggee, before: readonly Listener[]): Promise<void> {
  const deadline = performance.now() + lateWatch;
  while (performance.now() < deadline) {
    await delay(lateInterval, undefined, { ref: false });
    const inspector = await findInspector(newOnes(await listenersOf(pid), before));
    if (inspector === undefined) continue;
    await closeInspector(inspector);
    return;
  }
}

async function didNotOpen({ pid, command }: Debuggee): Promise<FlickError> {
  const taken = await isPortTaken(pid, defaultInspectorPort);
  return new FlickError(
    'notSupported',
    taken
      ? `${label(command, pid)} could not open its debugger: port ${defaultInspectorPort} is taken by another program.`
      : `${label(command, pid)} did not open its debugger in ${openPatience / 1000} s. It is busy with something that cannot be interrupted, such as a child that it waits for.`,
    {
      remedy: taken
        ? 'End the other program, or start this one for debugging with a launch configuration.'
        : 'Try again when it is less busy.',
    },
  );
}

function label(command: string, pid: number): string {
  return `“${command.length > 60 ? `${command.slice(0, 59)}…` : command}” (${pid})`;
}
