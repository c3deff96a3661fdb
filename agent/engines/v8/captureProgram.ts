import { spawn } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../../protocol/index.ts';
import { talk, withInspector } from '../../debug/injection.ts';
import type { InspectorAddress } from '../../debug/inspectorPort.ts';
import { readArguments } from '../../procfs/command.ts';
import { readStatus } from '../../procfs/status.ts';
import { inspectCapsule } from './capsule/read.ts';
import { captureSource } from './parts.ts';

/** How long a safe point is looked for unless told otherwise, in ms. */
const defaultPatience = 2_000;
/** How long after that the program may take for the capture itself, in ms. */
const capturePatience = 120_000;
/** How often is looked whether a program stands still, in ms. */
const lookInterval = 3;

export interface CaptureOptions {
  readonly pid: number;
  /** Where the capsule is written; on the disk before the program ends. */
  readonly file: string;
  /** How long a safe point is looked for, in ms. */
  readonly patienceMs?: number;
  /** Whether the program ends when its capsule is written; it does unless told otherwise. */
  readonly end?: boolean;
  /** Files: what the program tells of itself while it still runs, and the word that somebody is ready for it. */
  readonly announce?: { readonly advance: string; readonly ready: string };
}

export interface CaptureReport {
  readonly file: string;
  readonly bytes: number;
  /** How long the program stood still, in ms. */
  readonly pauseMs: number;
  /** Tries at a safe point. */
  readonly attempts: number;
  readonly objects: number;
  /** What the program does without from now on, as sentences for people. */
  readonly dropped: string[];
}

interface Done {
  readonly bytes: number;
  readonly dropped: readonly string[];
}

/** What the code in the program answers. */
type Answer = { readonly done: Done } | { readonly refused: string; readonly hint?: string };

/**
 * Writes a running program into a capsule and, unless told otherwise, ends it, in one step: it does nothing in between.
 * @throws {FlickError} `refused` when the program cannot be carried, naming what and where; it then goes on unharmed
 */
export async function captureProgram(options: CaptureOptions): Promise<CaptureReport> {
  const { pid, end = true, patienceMs = defaultPatience, announce } = options;
  const file = resolve(options.file);
  // What is there afterwards is this program's.
  await rm(file, { force: true });
  await converse(pid, { file, end, patienceMs, ...announce });
  return reportOf(file);
}

export interface HoldOptions {
  readonly pid: number;
  readonly file: string;
  /** A FIFO: a byte there lets the program go on, which takes it away then. */
  readonly gate: string;
  readonly patienceMs?: number;
}

/** A program that stands still with its capsule written: nothing of it runs until it is told to. */
export interface HeldProgram {
  readonly report: CaptureReport;
  /** Resolves when it has been told to go on, and nothing of this is left in it, or it has ended. Never rejects. */
  readonly over: Promise<void>;
}

/**
 * Writes a running program into a capsule and leaves it standing still. It stays so when this process dies; whoever
 * comes later writes a byte to the gate, or ends it.
 * @throws {FlickError} as {@link captureProgram}
 */
export async function holdProgram(options: HoldOptions): Promise<HeldProgram> {
  const { pid, patienceMs = defaultPatience } = options;
  const file = resolve(options.file);
  const settings = { file, end: false, patienceMs, gate: resolve(options.gate) };
  const conversation = converse(pid, settings);
  const ended = conversation.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  for (;;) {
    const over = await Promise.race([ended.then((failure) => ({ failure })), delay(lookInterval)]);
    // The capsule gets its name when it is complete.
    if ((await stat(file).catch(() => undefined)) !== undefined) break;
    if (over?.failure !== undefined) throw over.failure.error;
    if (over !== undefined) throw noCapsule();
  }
  return { report: await reportOf(file), over: ended.then(() => undefined) };
}

/** What a capture would leave behind, or the error that it would end with; the program stands still as long as one takes. */
export async function rehearseCapture(
  pid: number,
  patienceMs = defaultPatience,
): Promise<readonly string[]> {
  const settings = { file: '', end: false, patienceMs, rehearse: true };
  return (await converse(pid, settings))?.dropped ?? [];
}

interface Settings {
  readonly file: string;
  readonly end: boolean;
  readonly patienceMs: number;
  readonly gate?: string;
  readonly rehearse?: boolean;
  readonly advance?: string;
  readonly ready?: string;
}

/** Has the code in the program do its work. @returns undefined when the program ended with its capsule */
async function converse(pid: number, settings: Settings): Promise<Done | undefined> {
  const status = await readStatus(pid);
  if (status === undefined) throw gone(pid);
  const command = (await readArguments(pid)) ?? [];
  const builtins = await listBuiltins(pid, command).catch(async (error: unknown) => {
    const { state } = (await readStatus(pid)) ?? {};
    // It ended while it was looked at.
    throw state === undefined || state === 'Z' || state === 'X' ? gone(pid) : error;
  });
  const innerPid = status.nsPids.at(-1) ?? pid;
  const debuggee = { pid, innerPid, command: command.join(' ').slice(0, 4096) };
  const answer = await withInspector(debuggee, (inspector, wasOpen) => {
    const given = JSON.stringify({ ...settings, pid: innerPid, closeInspector: !wasOpen });
    // The program may have put functions of its own in the place of those of the language.
    const expression = `(() => { const module = { exports: {} };
    const require = process.getBuiltinModule('module').createRequire('/');
    const realm = require('vm').runInNewContext('globalThis');
    const { JSON, Reflect, Math, Map, Set, WeakMap, Number, String } = realm;
    const { setImmediate, setTimeout, clearImmediate, clearTimeout } = require('timers');
    (function (module, exports, require, __filename) { ${captureSource}\n})(module, module.exports, require, '/capture.cjs');
    return module.exports.begin(${given}, ${builtins}, realm); })()`;
    // A program that is held answers when it goes on.
    const patience =
      settings.gate === undefined ? settings.patienceMs + capturePatience : undefined;
    return ask(inspector, expression, patience);
  });
  if (answer === undefined || 'done' in answer) return answer?.done;
  throw new FlickError(
    'refused',
    answer.refused,
    answer.hint === undefined ? {} : { remedy: answer.hint },
  );
}

async function reportOf(file: string): Promise<CaptureReport> {
  const size = (await stat(file).catch(() => undefined))?.size;
  if (size === undefined) throw noCapsule();
  const { pauseMs, attempts, counts, dropped } = inspectCapsule(file);
  return { file, bytes: size, pauseMs, attempts, objects: counts.objects, dropped: [...dropped] };
}

function gone(pid: number): FlickError {
  return new FlickError('processGone', `There is no process ${pid}.`);
}

function noCapsule(): FlickError {
  return new FlickError('processGone', 'The program ended before its capsule was written.');
}

/** @returns undefined when the program ended without an answer, as one does that ends with its capsule */
async function ask(
  inspector: InspectorAddress,
  expression: string,
  patience: number | undefined,
): Promise<Answer | undefined> {
  let answer: Answer | undefined;
  let failure: string | undefined;
  await talk(inspector, (socket) => {
    const timer =
      patience === undefined ? undefined : setTimeout(() => socket.terminate(), patience);
    socket.on('close', () => clearTimeout(timer));
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as {
        id?: number;
        result?: {
          result?: { value?: unknown };
          exceptionDetails?: { text?: string; exception?: { description?: string } };
        };
      };
      if (message.id !== 1) return;
      const { result, exceptionDetails } = message.result ?? {};
      // A process that ends with its capsule takes the answer with it.
      if (typeof result?.value === 'string') answer = JSON.parse(result.value) as Answer;
      else failure = exceptionDetails?.exception?.description ?? exceptionDetails?.text;
      socket.terminate();
    });
    const params = { expression, awaitPromise: true, returnByValue: true, silent: true };
    socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params }));
  });
  if (failure !== undefined) throw new FlickError('internal', `The capture failed: ${failure}`);
  return answer;
}

const known = new Map<string, Promise<string>>();

/** What a fresh process of the same Node.js has built in, as JSON; asked once for each binary. */
async function listBuiltins(pid: number, command: readonly string[]): Promise<string> {
  const binary = nodeCommand(pid, command);
  const key = `${command[0] ?? ''} ${binary.join(' ')} ${String((await stat(`/proc/${pid}/exe`)).ino)}`;
  const found = known.get(key) ?? runForBuiltins(binary);
  known.set(key, found);
  return await found.catch((error: unknown) => {
    known.delete(key);
    throw error;
  });
}

/** An emulator stands before the binary that it runs. */
function nodeCommand(pid: number, command: readonly string[]): readonly string[] {
  const emulated = /(^|\/)qemu(-[^/]*)?$/.test(command[0] ?? '');
  if (!emulated) return [`/proc/${pid}/exe`];
  const node = command.findIndex((part, index) => index > 0 && /(^|\/)node[^/]*$/.test(part));
  return command.slice(0, node + 1);
}

async function runForBuiltins([node = '', ...args]: readonly string[]): Promise<string> {
  const script = `const module = { exports: {} }; (function (module, exports) { ${captureSource}\n})(module, module.exports);
    process.stdout.write(JSON.stringify(module.exports.listBuiltins()));`;
  const child = spawn(node, [...args, '-'], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(script);
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  const text = Buffer.concat(chunks).toString('utf8');
  if (code !== 0 || text === '') {
    throw new FlickError('internal', 'The Node.js of the program could not list its builtins.');
  }
  return text;
}
