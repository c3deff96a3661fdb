import { resolveBuiltin } from '../capsule/builtins.ts';
import type { KindRecord } from '../capsule/format.ts';
import { standInFor } from './missing.ts';
import { RebuildError } from './rebuildError.ts';

/** Bundles are sloppy code: only a function that says so is strict. */
export function emptyArguments(strict: boolean): object {
  const make = strict ? "'use strict'; return arguments;" : 'return arguments;';
  return (new Function(make) as () => object)();
}

export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function emptyError(): Error {
  return withoutFrames(() => new Error());
}

/** What looks at the stack takes none of its frames along. */
export function withoutFrames<T>(make: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const made = make();
  Error.stackTraceLimit = limit;
  return made;
}

export function buffer(record: Extract<KindRecord, { k: 'buf' }>): ArrayBufferLike {
  const bytes = Buffer.from(record.data, 'base64');
  const args =
    record.max === undefined ? [bytes.length] : [bytes.length, { maxByteLength: record.max }];
  const make = record.shared === 1 ? SharedArrayBuffer : ArrayBuffer;
  const made = Reflect.construct(make, args) as ArrayBuffer;
  new Uint8Array(made).set(bytes);
  return made;
}

/** The function that `finally` hands to `then`. */
export function finallyFunction(callback: unknown, catches: boolean): unknown {
  let found: unknown;
  const catcher = {
    constructor: Promise,
    then: (fulfilled: unknown, rejected: unknown) => {
      found = catches ? rejected : fulfilled;
    },
  };
  Promise.prototype.finally.call(catcher as never, callback as () => void);
  return found;
}

/** The function that `finally` lets its callback's promise call. */
export function finallyThunk(value: unknown, throws: boolean): unknown {
  let found: unknown;
  const capability = function (executor: (resolve: () => void, reject: () => void) => void) {
    executor(
      () => undefined,
      () => undefined,
    );
    return { then: (thunk: unknown) => (found = thunk) };
  };
  let call: ((value: unknown) => void) | undefined;
  const catcher = {
    constructor: { [Symbol.species]: capability },
    then: (fulfilled: () => void, rejected: () => void) => (call = throws ? rejected : fulfilled),
  };
  Promise.prototype.finally.call(catcher as never, () => undefined);
  call?.(value);
  return found;
}

/**
 * An iterator in the middle of a loop: its first step is the one that the loop is in.
 * @param isSync whether it gives no promises, so that V8 has to wait for each of its values where that is asked for
 */
export function resumed(inner: Iterator<unknown>, first: unknown, isSync = false): object {
  let isFirst = true;
  const next = (value: unknown): unknown => {
    if (!isFirst) return inner.next(value as never);
    isFirst = false;
    return first;
  };
  const iterator: Record<string | symbol, unknown> = { $flickInner: inner, next };
  iterator[Symbol.iterator] = () => iterator;
  if (!isSync) iterator[Symbol.asyncIterator] = () => iterator;
  if (inner.return !== undefined) iterator['return'] = (value: unknown) => inner.return?.(value);
  if (inner.throw !== undefined) iterator['throw'] = (value: unknown) => inner.throw?.(value);
  return iterator;
}

type ViewType = new (buffer: ArrayBufferLike, offset: number, length?: number) => object;

const { Float16Array } = globalThis as { Float16Array?: ViewType };

/** The classes of views of buffers, by name. */
export const viewTypes: Record<string, ViewType> = {
  // Node.js 20 and 22 have none.
  ...(Float16Array === undefined ? {} : { Float16Array }),
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

/** What Node.js has at one of these paths. @throws {RebuildError} when it has nothing there that could be missing */
export function builtin(paths: readonly string[], isCallable: boolean): unknown {
  for (const path of paths) {
    const found = resolveBuiltin(path);
    if (found !== undefined) return found;
  }
  const other = underOtherName(paths);
  if (other !== undefined) return other;
  const standIn = standInFor(paths, isCallable);
  if (standIn !== undefined) return standIn;
  throw new RebuildError(`this Node.js has no ${(paths[0] ?? '').replace(/\n/g, '')}`);
}

/** Variables of modules of Node.js that are called differently from version to version, and mean the same. */
const otherNames: Readonly<Record<string, string>> = {
  createDeferredPromise: 'PromiseWithResolvers',
  PromiseWithResolvers: 'createDeferredPromise',
};

/** What Node.js has under other names than the version that the program comes from. */
function underOtherName(paths: readonly string[]): unknown {
  for (const path of paths) {
    const renamed = path
      // Gone since Node.js 26.
      .replace(/^module _stream_readable(?=\n|$)/, 'module stream\n.Readable')
      .replace(/^(core [^\n]+\n\$)(\w+)$/, (whole, module: string, name: string) => {
        const other = otherNames[name];
        return other === undefined ? whole : `${module}${other}`;
      });
    const found = renamed === path ? undefined : resolveBuiltin(renamed);
    if (found !== undefined) return found;
  }
  return undefined;
}
