import { createRequire, builtinModules } from 'node:module';
import { channel, tracingChannel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';

/**
 * What a fresh Node.js has built in, as a tree: `[index of the holder, step]`, roots with the holder -1. Steps: a root's
 * name; `.key`, `@description` of a symbol, `<key` a getter, `>key` a setter, `!key` what a getter gives, `^` the prototype, `$name` a variable that a
 * function sees.
 */
export interface BuiltinList {
  readonly entries: (readonly [number, string])[];
  /** Other ways to the same object: index, holder, step. */
  readonly aliases: (readonly [number, number, string])[];
  /** Properties that are no objects, by holder and step, with a tag of value and attributes. */
  readonly values: (readonly [number, string, string])[];
  /** Those that cannot get further properties. */
  readonly closed: readonly number[];
  readonly globals: readonly string[];
  /** Globals that are loaded when they are first looked at, each with the module that makes it. */
  readonly lazy: readonly (readonly [name: string, module: string])[];
}

const separator = '\n';
const maxDepth = 6;
const maxAliases = 8;
// `domain` changes others when it is loaded.
const skippedModules = /^(_|node:|domain$|sys$|punycode$|wasi$|trace_events$|inspector|test)/;
const extraModules = [
  '_http_server',
  '_http_agent',
  '_http_common',
  '_http_outgoing',
  '_http_incoming',
  '_http_client',
  '_stream_readable',
];
/** A module that programs can load, and that changes nothing when it is. */
export function isPublicModule(id: string): boolean {
  return builtinModules.includes(id) && !skippedModules.test(id);
}

/** What these lead to belongs to the program, not to Node.js. */
export const skippedSteps = new Set([
  '.mainModule',
  '._events',
  '._cache',
  '._pathCache',
  '.cache',
  '.main',
  '.env',
  '.argv',
  '.execArgv',
  '.stdin',
  '.stdout',
  '.stderr',
  '.module',
  '.exports',
  '._preload_modules',
  '.children',
  '.parent',
  '.caller',
  '.arguments',
  '.domain',
  '.config',
  '.report',
  '.permission',
  '.globalPaths',
  '.binding',
  '.moduleLoadList',
  '._startProfilerIdleNotifier',
  '.sourceMapsEnabled',
]);

/** Objects that are reached by no name. A capture has `Map` and `Set` of another realm, whose iterators are others. */
const samples: Record<string, () => unknown> = {
  generator: () => function* () {},
  asyncGenerator: () => async function* () {},
  asyncFunction: () => async () => {},
  arrayIterator: () => [][Symbol.iterator](),
  mapIterator: () => new globalThis.Map()[Symbol.iterator](),
  setIterator: () => new globalThis.Set()[Symbol.iterator](),
  stringIterator: () => ''[Symbol.iterator](),
  regExpIterator: () => 'x'.matchAll(/x/g),
  poison: () => {
    'use strict';
    return Object.getOwnPropertyDescriptor(Function.prototype, 'caller');
  },
  timeout: () => {
    const timer = setTimeout(() => {}, 1);
    clearTimeout(timer);
    return timer;
  },
  immediate: () => {
    const immediate = setImmediate(() => {});
    clearImmediate(immediate);
    return immediate;
  },
  process: () => process,
  emitter: () => new EventEmitter(),
  channel: () => channel('flick'),
  tracingChannel: () => tracingChannel('flick'),
};

const load = createRequire(import.meta.url);

/** Stands for a module of Node.js at the beginning of a path. */
class CoreModule {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }
}

function rootNamed(name: string): unknown {
  if (name === 'global') return globalThis;
  if (name.startsWith('core ')) return new CoreModule(name.slice(5));
  if (name.startsWith('module ')) return load(name.slice(7)) as unknown;
  return samples[name.slice(7)]?.();
}

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

const wellKnown = new Map<symbol, string>(
  Object.getOwnPropertyNames(Symbol).flatMap((name) => {
    const value = Reflect.get(Symbol, name) as unknown;
    return typeof value === 'symbol' ? [[value, name]] : [];
  }),
);

export function stepOf(key: string | symbol): string {
  return typeof key === 'symbol' ? `@${key.description ?? ''}` : `.${key}`;
}

/** Tells apart properties that are no objects. */
export function tagOf({ value, writable, enumerable, configurable }: PropertyDescriptor): string {
  const flags =
    (writable === true ? 1 : 0) | (enumerable === true ? 2 : 0) | (configurable === true ? 4 : 0);
  return `${flags}${typeof value}${String(value).slice(0, 60)}`;
}

function keyOf(holder: object, step: string): string | symbol | undefined {
  if (step.startsWith('.') || step.startsWith('#')) return step.slice(1);
  return Object.getOwnPropertySymbols(holder).find((each) => each.description === step.slice(1));
}

/** What Node.js hides. Only a process in which a program is rebuilt looks it up. */
export interface Hidden {
  /** A variable that a function of Node.js sees. */
  variable(f: object, name: string): unknown;
  /** A variable of a module of Node.js that is not for programs. */
  ofModule(id: string, name: string): unknown;
  exportsOf(id: string): unknown;
}
let hidden: Hidden | undefined;

export function useHidden(means: Hidden): void {
  hidden = means;
}

/** The way to what a module of Node.js exports; undefined when it is not among it. */
export function exportPath(url: string, exported: unknown, wanted: object): string | undefined {
  const whole = `core ${url.replace(/^node:/, '')}${separator}=`;
  if (exported === wanted) return whole;
  if (!isObject(exported)) return undefined;
  const name = Object.getOwnPropertyNames(exported).find(
    (each) => Reflect.getOwnPropertyDescriptor(exported, each)?.value === wanted,
  );
  return name === undefined ? undefined : `${whole}${separator}.${name}`;
}

/** The way to a variable of a module of Node.js. */
export function corePath(url: string, name: string): string {
  return `core ${url.replace(/^node:/, '')}${separator}$${name}`;
}

/** Takes one step without running any getter. */
function take(holder: object, step: string): unknown {
  if (step === '=') return holder instanceof CoreModule ? hidden?.exportsOf(holder.id) : undefined;
  if (step.startsWith('$')) {
    const name = step.slice(1);
    return holder instanceof CoreModule
      ? hidden?.ofModule(holder.id, name)
      : hidden?.variable(holder, name);
  }
  if (step.startsWith('!')) return Reflect.get(holder, step.slice(1)) as unknown;
  if (step === '^') return Object.getPrototypeOf(holder) as unknown;
  const accessor = step.startsWith('<') ? 'get' : step.startsWith('>') ? 'set' : undefined;
  const key = keyOf(holder, accessor === undefined ? step : step.slice(1));
  if (key === undefined) return undefined;
  const descriptor = Object.getOwnPropertyDescriptor(holder, key);
  if (accessor !== undefined) return descriptor?.[accessor];
  // What some versions have at once others load when it is first asked for.
  if (hidden !== undefined && holder === globalThis && descriptor?.get !== undefined) {
    return Reflect.get(holder, key) as unknown;
  }
  return descriptor?.value as unknown;
}

/** Lists them; to be called in a process that has run nothing else. */
export function listBuiltins(): Omit<BuiltinList, 'lazy'> {
  const entries: [number, string][] = [];
  const aliases: [number, number, string][] = [];
  const values: [number, string, string][] = [];
  const seen = new Map<object, number>();
  const depths: number[] = [];
  const counts: number[] = [];
  const objects: object[] = [];
  const add = (value: unknown, holder: number, step: string): void => {
    if (!isObject(value)) return;
    const there = seen.get(value);
    if (there !== undefined) {
      const count = counts[there] ?? 0;
      if (step !== '^' || count === 0) counts[there] = count + 1;
      // Nearly everything leads to a few prototypes.
      if (count < maxAliases && (step !== '^' || count === 0)) aliases.push([there, holder, step]);
      return;
    }
    seen.set(value, entries.length);
    entries.push([holder, step]);
    objects.push(value);
    depths.push(holder < 0 ? 0 : (depths[holder] ?? 0) + 1);
  };
  const globals = Reflect.ownKeys(globalThis).map(stepOf);
  add(globalThis, -1, 'global');
  for (const name of [...builtinModules.filter(isPublicModule), ...extraModules]) {
    try {
      add(load(name), -1, `module ${name}`);
    } catch {
      // Named, but not to be had in this build.
    }
  }
  for (const [name, make] of Object.entries(samples)) add(make(), -1, `sample ${name}`);
  for (let index = 0; index < objects.length; index += 1) {
    const holder = objects[index];
    if (holder === undefined || (depths[index] ?? 0) >= maxDepth) continue;
    add(Object.getPrototypeOf(holder), index, '^');
    for (const key of Reflect.ownKeys(holder)) {
      const step = stepOf(key);
      if (skippedSteps.has(step)) continue;
      const descriptor = Object.getOwnPropertyDescriptor(holder, key);
      if (descriptor === undefined) continue;
      if ('value' in descriptor) {
        add(descriptor.value, index, step);
        const isOfFunction = typeof holder === 'function' && (key === 'name' || key === 'length');
        if (!isObject(descriptor.value) && !isOfFunction)
          values.push([index, step, tagOf(descriptor)]);
      } else {
        add(descriptor.get, index, `<${step}`);
        add(descriptor.set, index, `>${step}`);
      }
    }
  }
  const closed = objects.flatMap((each, index) => (Object.isExtensible(each) ? [] : [index]));
  return { entries, aliases, values, closed, globals };
}

/** The builtins of this process, by the list of a fresh one of the same version. */
export class Builtins {
  readonly objects: unknown[] = [];
  readonly indexOf = new Map<unknown, number>();
  readonly #list: BuiltinList;
  readonly #aliases = new Map<number, (readonly [number, string])[]>();
  readonly #pending: ReadonlySet<string>;
  #roots: readonly (readonly [number, string])[] | undefined;

  /**
   * @param isOurs whether what stands there is what a fresh process has there
   * @param pending globals that would be loaded if they were looked at
   */
  constructor(list: BuiltinList, isOurs: (value: object) => boolean, pending: ReadonlySet<string>) {
    this.#list = list;
    this.#pending = pending;
    // What the program has not loaded it has nothing of, and loading it here would be noticed.
    const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
    const loaded = new Set(moduleLoadList);
    const isLoaded = (root: string): boolean =>
      !root.startsWith('module ') ||
      root === 'module process' ||
      loaded.has(`NativeModule ${root.slice(7)}`);
    for (const [index, holder, step] of list.aliases) {
      const known = this.#aliases.get(index) ?? [];
      known.push([holder, step]);
      this.#aliases.set(index, known);
    }
    const from = ([holder, step]: readonly [number, string]): object | undefined => {
      let value: unknown;
      try {
        if (holder < 0) value = isLoaded(step) ? rootNamed(step) : undefined;
        else {
          const object = resolve(holder);
          value =
            object === undefined || this.isPending(object, step.slice(1))
              ? undefined
              : take(object, step);
        }
      } catch {
        return undefined;
      }
      return isObject(value) && (holder < 0 || isOurs(value)) ? value : undefined;
    };
    const asked = new Set<number>();
    const resolve = (index: number): object | undefined => {
      if (asked.has(index)) return this.objects[index] as object | undefined;
      asked.add(index);
      const ways = [
        list.entries[index] ?? ([-1, ''] as const),
        ...(this.#aliases.get(index) ?? []),
      ];
      for (const way of ways) {
        const value = from(way);
        if (value === undefined) continue;
        this.objects[index] = value;
        return value;
      }
      return undefined;
    };
    for (let index = 0; index < list.entries.length; index += 1) {
      this.objects[index] = undefined;
    }
    for (let index = 0; index < list.entries.length; index += 1) {
      const value = resolve(index);
      if (value !== undefined && !this.indexOf.has(value)) this.indexOf.set(value, index);
    }
  }

  /** Whether a property is as Node.js has made it, and would be loaded if it were looked at. */
  isPending(holder: object, key: string | symbol): boolean {
    return holder === globalThis && typeof key === 'string' && this.#pending.has(key);
  }

  /** Those that are found by a name alone, with that. */
  get roots(): readonly (readonly [index: number, name: string])[] {
    this.#roots ??= this.#list.entries.flatMap(([holder, step], index) =>
      holder < 0 ? [[index, step] as const] : [],
    );
    return this.#roots;
  }

  /** All ways to a builtin, the shortest first. */
  paths(index: number): string[] {
    const paths = [this.#path(index)];
    for (const [holder, step] of this.#aliases.get(index) ?? []) {
      paths.push(`${this.#path(holder)}${separator}${step}`);
    }
    return paths;
  }

  #path(index: number): string {
    const [holder, step] = this.#list.entries[index] ?? [-1, ''];
    return holder < 0 ? step : `${this.#path(holder)}${separator}${step}`;
  }
}

/** Ways to a class of Node.js that is loaded when it is first asked for, and to what it consists of. */
export function lazyBuiltins(
  builtins: Builtins,
  wanted: { readonly name: string },
): Map<object, string[]> {
  const found = new Map<object, string[]>();
  const add = (object: unknown, path: string): void => {
    if (!isObject(object) || builtins.indexOf.has(object) || found.has(object)) return;
    found.set(object, [path]);
    for (const key of Reflect.ownKeys(object)) {
      if (key === 'caller' || key === 'arguments') continue;
      const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
      const step = `${path}${separator}`;
      add(descriptor?.value, `${step}${stepOf(key)}`);
      add(descriptor?.get, `${step}<${stepOf(key)}`);
      add(descriptor?.set, `${step}>${stepOf(key)}`);
    }
    add(Object.getPrototypeOf(object), `${path}${separator}^`);
  };
  // Modules and the global object have them.
  for (const [index, path] of builtins.roots) {
    const holder = builtins.objects[index];
    if (!isObject(holder) || found.size > 0) continue;
    if (builtins.isPending(holder, wanted.name)) continue;
    const descriptor = Reflect.getOwnPropertyDescriptor(holder, wanted.name);
    // A getter of Node.js may have put the value in its own place.
    const isLazy = descriptor?.get !== undefined && builtins.indexOf.has(descriptor.get);
    const value = isLazy ? (Reflect.get(holder, wanted.name) as unknown) : descriptor?.value;
    if (value === wanted) add(wanted, `${path}${separator}!${wanted.name}`);
  }
  return found;
}

export function stepsOf(path: string): string[] {
  return path.split(separator);
}

/** Where steps lead to from an object; undefined when they lead nowhere. */
export function followSteps(from: unknown, steps: readonly string[]): unknown {
  let value = from;
  try {
    for (const step of steps) {
      if (!isObject(value)) return undefined;
      value = take(value, step);
    }
  } catch {
    return undefined;
  }
  return value;
}

/** Follows a path in this process; undefined when it leads nowhere. */
export function resolveBuiltin(path: string): unknown {
  const [root = '', ...steps] = stepsOf(path);
  let value: unknown;
  try {
    value = followSteps(rootNamed(root), steps);
  } catch {
    return undefined;
  }
  return isObject(value) || typeof value === 'symbol' ? value : undefined;
}

/** Symbols that every process has, by value. */
export function wellKnownName(symbol: symbol): string | undefined {
  return wellKnown.get(symbol);
}

/**
 * Symbols that Node.js made for itself and uses as keys, with a path that ends in `#description` at their holder.
 */
export function builtinSymbols(builtins: Builtins): Map<symbol, string> {
  const found = new Map<symbol, string>([
    [EventEmitter.errorMonitor, `module events${separator}.errorMonitor`],
  ]);
  builtins.objects.forEach((holder, index) => {
    if (!isObject(holder)) return;
    for (const symbol of Object.getOwnPropertySymbols(holder)) {
      if (wellKnown.has(symbol) || found.has(symbol) || Symbol.keyFor(symbol) !== undefined)
        continue;
      const same = Object.getOwnPropertySymbols(holder).filter(
        ({ description }) => description === symbol.description,
      );
      const [path] = builtins.paths(index);
      if (same.length === 1)
        found.set(symbol, `${path ?? ''}${separator}#${symbol.description ?? ''}`);
    }
  });
  return found;
}

export function resolveSymbol(path: string): symbol | undefined {
  if (!path.includes(`${separator}#`)) {
    const found = resolveBuiltin(path);
    return typeof found === 'symbol' ? found : undefined;
  }
  const cut = path.lastIndexOf(`${separator}#`);
  const holder = resolveBuiltin(path.slice(0, cut));
  if (!isObject(holder)) return undefined;
  const description = path.slice(cut + 2);
  return Object.getOwnPropertySymbols(holder).find((each) => each.description === description);
}
