import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { FlickError, type Debuggee } from '../../../protocol/index.ts';
import { withInspector } from '../../debug/injection.ts';
import { readArguments } from '../../procfs/command.ts';
import { readStatus } from '../../procfs/status.ts';
import { beginPatience, capturePatience } from './capsule/patience.ts';
import { evaluating, tooLate, type Line } from './evaluating.ts';
import { captureSource } from './parts.ts';
import { CaptureFailed } from './unexpected.ts';

/** How long a program may at least take to come to a turn of its event loop, in ms. */
const turnPatience = 3_000;
/** How long a program that computes may take to say where it does, in ms. */
const placePatience = 1_000;

export interface Settings {
  readonly file: string;
  readonly end: boolean;
  /** How long a safe point is looked for, in ms. */
  readonly patienceMs: number;
  readonly gate?: string;
  readonly rehearse?: boolean;
  readonly advance?: string;
  readonly ready?: string;
}

export interface Done {
  readonly bytes: number;
  readonly dropped: readonly string[];
}

/** What the code in the program answers. */
type Answer =
  | { readonly done: Done }
  | { readonly refused: string; readonly hint?: string }
  | { readonly failed: string };

/**
 * Has the code in the program do its work.
 * @param signal gives up: what has not begun by then does not begin where {@link Settings.gate} has been taken away
 * @param begins told before anything is begun in the program
 * @returns undefined when the program ended without an answer, as one does that ends with its capsule
 * @throws {FlickError} `refused`, also when the program does not come to a turn of its event loop; it goes on unharmed
 */
export async function converse(
  pid: number,
  settings: Settings,
  signal?: AbortSignal,
  begins?: () => void,
): Promise<Done | undefined> {
  const status = await readStatus(pid);
  if (status === undefined) throw gone(pid);
  const command = (await readArguments(pid)) ?? [];
  const builtins = await listBuiltins(pid, command).catch(async (error: unknown) => {
    const { state } = (await readStatus(pid)) ?? {};
    // It ended while it was looked at.
    throw state === undefined || state === 'Z' || state === 'X' ? gone(pid) : error;
  });
  signal?.throwIfAborted();
  const innerPid = status.nsPids.at(-1) ?? pid;
  const debuggee: Debuggee = { pid, innerPid, command: command.join(' ').slice(0, 4096) };
  const answer = await withInspector(debuggee, async (inspector, wasOpen) => {
    const { patienceMs, gate } = settings;
    return await evaluating(inspector, signal, async (line): Promise<Answer | undefined> => {
      const since = await turn(line, Math.max(patienceMs, turnPatience));
      if (since === undefined) return undefined;
      const given = { ...settings, pid: innerPid, closeInspector: !wasOpen, since };
      // A program that is held answers when it goes on.
      const limit = gate === undefined ? patienceMs + beginPatience + capturePatience : undefined;
      begins?.();
      const text = await line.evaluate(beginExpression(given, builtins), limit);
      if (text === tooLate) throw busy(patienceMs + beginPatience, undefined);
      return text === undefined ? undefined : (JSON.parse(text) as Answer);
    });
  });
  if (answer === undefined || 'done' in answer) return answer?.done;
  if ('failed' in answer) throw new CaptureFailed(answer.failed);
  throw new FlickError(
    'refused',
    answer.refused,
    answer.hint === undefined ? {} : { remedy: answer.hint },
  );
}

function gone(pid: number): FlickError {
  return new FlickError('processGone', `There is no process ${pid}.`);
}

/**
 * The program may have put functions of its own in the place of those of the language: the engine has those of another
 * realm. Those of `Object` ask Node.js for what it loads late, which only those of the program's realm can; and an
 * `await` of a promise looks in memory as those of the program do only when both are of one realm.
 */
function beginExpression(settings: object, builtins: string): string {
  return `(() => { const module = { exports: {} };
    const require = process.getBuiltinModule('module').createRequire('/');
    const realm = require('vm').runInNewContext('globalThis');
    const { Array, JSON, Reflect, Math, Map, Set, WeakMap, Number, String } = realm;
    const isNative = (value, name) => typeof value === 'function' &&
      Reflect.apply(realm.Function.prototype.toString, value, []) === 'function ' + name + '() { [native code] }';
    const valueOf = (object, key) => Reflect.getOwnPropertyDescriptor(object, key)?.value;
    const theirPromise = valueOf(Reflect.getPrototypeOf((async () => {})()), 'constructor');
    const Promise = isNative(theirPromise, 'Promise') ? theirPromise : realm.Promise;
    function boxed() { return this; }
    function Object(value) { return Reflect.apply(boxed, value, []); }
    for (const key of Reflect.ownKeys(realm.Object)) {
      const theirs = valueOf(globalThis.Object, key);
      if (typeof theirs !== 'function') continue;
      Object[key] = isNative(theirs, key) ? theirs : realm.Object[key];
    }
    Object.prototype = Reflect.getPrototypeOf({});
    const { setImmediate, setTimeout, clearImmediate, clearTimeout } = require('timers');
    (function (module, exports, require, __filename) { ${captureSource}\n})(module, module.exports, require, '/capture.cjs');
    return module.exports.begin(${JSON.stringify(settings)}, ${builtins}, realm); })()`;
}

/**
 * Waits for a turn of the program's event loop: before that nothing is begun in it.
 * @returns its clock then (`process.hrtime`); undefined when the program has ended
 * @throws {FlickError} `refused` when it does not come to one
 */
async function turn(line: Line, limit: number): Promise<string | undefined> {
  const expression = `(async () => {
    const { setImmediate } = process.getBuiltinModule('timers');
    await { then: (resolve) => { setImmediate(resolve); } };
    return String(process.hrtime.bigint()); })()`;
  const clock = await line.evaluate(expression, limit);
  if (clock === tooLate) throw busy(limit, await placeOf(line));
  return clock;
}

/** The function that keeps the program, and where it is: an evaluation interrupts it, and stands on its stack. */
async function placeOf(line: Line): Promise<string | undefined> {
  // A program may have its own way to show a stack; it must not run here.
  const expression = `(() => {
    const own = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    if (own !== undefined && !(own.writable && own.configurable)) return '';
    Error.prepareStackTrace = undefined;
    try { return String(new Error().stack); }
    finally { if (own === undefined) delete Error.prepareStackTrace; else Error.prepareStackTrace = own.value; }
  })()`;
  const stack = await line.evaluate(expression, placePatience, false);
  if (stack === undefined || stack === tooLate) return undefined;
  const own = stack
    .split('\n')
    .map((each) => each.trim())
    .find((each) => /^at .*[/\\].*:\d+:\d+\)?$/.test(each) && !each.includes('node:'));
  return own?.replace(/^at (async )?/, '').slice(0, 300);
}

/** @param limit how long it was waited for, in ms */
export function busy(limit: number, place: string | undefined): FlickError {
  const where = place === undefined ? '' : ` (${place})`;
  return new FlickError(
    'refused',
    `Cannot move yet: the program has been busy with one thing for ${Math.round(limit / 1000)} s${where}, and can only be taken apart when it has come to the end of it.`,
    { remedy: 'Try again when it is less busy. CRIU can move a program at any point of its work.' },
  );
}

const known = new Map<string, Promise<string>>();

/** What a fresh process of the same Node.js has built in, as JSON; asked once for each binary. */
async function listBuiltins(pid: number, command: readonly string[]): Promise<string> {
  const binary = nodeCommand(pid, command);
  const file = await stat(`/proc/${pid}/exe`).catch(() => {
    throw new FlickError('processGone', 'The process has ended meanwhile.');
  });
  // An emulator is the same file for all that it runs. The number of the process must not be in it: this is asked for often.
  const emulated = binary.length > 1 ? binary.join(' ') : '';
  const key = [emulated, file.dev, file.ino, file.size, file.mtimeMs].join(' ');
  // Whoever asked for it first may have ended before its binary could be run.
  const asked = await known.get(key)?.catch(() => undefined);
  if (asked !== undefined) return asked;
  const found = runForBuiltins(binary);
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
