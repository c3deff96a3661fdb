import type { Capsule, ModuleRecord } from '../capsule/format.ts';
import type { Inspection } from '../capture/inspection.ts';
import type { NodeInternals } from '../capture/internals.ts';
import type { ModuleOrigin } from '../capture/modules.ts';
import type { ScopeTree } from '../language/scopes.ts';
import {
  moduleAddress,
  moduleNames,
  moduleText,
  untouchedText,
  valuesAddress,
  type Declared,
} from './moduleText.ts';
import { RebuildError } from './rebuildError.ts';
import { homeNames, Templates } from './templates.ts';

/** What Node.js keeps of a module. */
interface ModuleWrap {
  $flickModule?: ModuleOrigin;
  $flickFacade?: object;
  evaluate(timeout: number, breaks: boolean): Promise<unknown>;
  getNamespace(): object;
  setExport(name: string, value: unknown): void;
}

type ModuleWrapClass = new (
  url: string,
  context: undefined,
  names: readonly string[],
  run: (this: ModuleWrap) => void,
) => ModuleWrap;

interface Job {
  url: string;
  readonly module: ModuleWrap;
}

interface Loader {
  readonly loadCache: {
    get(url: string, type?: string): Job | undefined;
    set(url: string, type: string, job: Job): void;
  };
  import(url: string, parent: undefined, attributes: object): Promise<object>;
}

/** Where the modules are that stand before others for those who `require` them. */
const facadeFolder = 'facade/';

type Translator = (this: unknown, url: string, ...rest: unknown[]) => unknown;

/** Where the text and the values of modules come from. */
export interface ModuleSources {
  tree(script: number): ScopeTree;
  declaredIn(context: number): Declared[];
  value(value: unknown): unknown;
}

/**
 * The ES modules of a capsule. The loader of Node.js makes them of generated texts, linked to each other as they were.
 * Between linking and evaluation each has its variables and the functions that it declares, and has run nothing: then
 * everything that they refer to is made, and with their evaluation the variables get their values.
 */
export class Modules {
  readonly #capsule: Capsule;
  readonly #records: readonly ModuleRecord[];
  readonly #internals: NodeInternals;
  readonly #inspection: Inspection;
  readonly #wraps: ModuleWrap[] = [];
  readonly #origins = new Map<number, ModuleOrigin>();
  readonly #running = new Map<number, unknown>();
  readonly #ran = new Set<number>();
  readonly templates: Templates;
  readonly #roots: ModuleWrap[] = [];
  readonly #functions = new Map<string, (text?: string) => unknown>();
  readonly #contexts = new Map<number, number>();
  readonly #resolvers: unknown[] = [];
  /** By the index of the module that they stand before. */
  readonly #facades = new Map<number, ModuleWrap>();
  #sources: ModuleSources | undefined;

  constructor(capsule: Capsule, internals: NodeInternals, inspection: Inspection) {
    this.#capsule = capsule;
    this.#records = capsule.roots.esm;
    this.#internals = internals;
    this.#inspection = inspection;
    this.templates = new Templates(capsule.scripts);
    this.#records.forEach((record, index) => {
      if (record.kind === 'source' && record.state !== 'failed')
        this.#contexts.set(record.context, index);
    });
  }

  /** Makes and links them. @throws {RebuildError} */
  async load(sources: ModuleSources): Promise<void> {
    if (this.#records.length === 0) return;
    this.#sources = sources;
    const { getOrInitializeCascadedLoader: get } = this.#internals.require(
      'internal/modules/esm/loader',
    ) as unknown as { getOrInitializeCascadedLoader(): Loader };
    const loader = get();
    const { translators } = this.#internals.require(
      'internal/modules/esm/translators',
    ) as unknown as { translators: Map<string, Translator> };
    const original = translators.get('module');
    if (original === undefined) throw new RebuildError('this Node.js has no ES modules');
    const translate = (url: string): ModuleWrap | ModuleSource | undefined => this.#translate(url);
    translators.set('module', function (url, ...rest) {
      const made = translate(url);
      if (made === undefined) return Reflect.apply(original, this, [url, ...rest]);
      if (!('text' in made)) return made;
      const wrap = compile(original, this, made, rest) as ModuleWrap;
      made.made(wrap);
      return wrap;
    });
    const failed = this.#records.flatMap((each, index) =>
      each.kind === 'source' && each.state === 'failed' ? [`failed/${index}`] : [],
    );
    try {
      for (const root of ['root', ...failed]) {
        const url = `${moduleAddress}${root}`;
        await loader.import(url, undefined, Object.create(null) as object);
        Map.prototype.delete.call(loader.loadCache, url);
      }
    } catch (error) {
      throw new RebuildError(`its ES modules cannot be linked here: ${String(error)}`);
    } finally {
      translators.set('module', original);
    }
    this.#register(loader);
    this.#findFunctions();
  }

  /** Puts them into the cache under their own names, in their own order. */
  #register({ loadCache }: Loader): void {
    for (const each of [valuesAddress, ...this.#facadeAddresses()])
      Map.prototype.delete.call(loadCache, each);
    this.#records.forEach((record, index) => {
      const address = record.kind === 'builtin' ? record.url : `${moduleAddress}${index}`;
      const job = loadCache.get(address);
      if (job === undefined) throw new RebuildError(`the module ${record.url} cannot be linked`);
      if (record.kind === 'builtin') this.#wraps[index] = job.module;
      Map.prototype.delete.call(loadCache, address);
      job.url = record.url;
      loadCache.set(record.url, record.type, job);
    });
  }

  #findFunctions(): void {
    for (const each of this.#inspection.heirs(Function.prototype)) {
      const name = Reflect.getOwnPropertyDescriptor(each as object, 'name')?.value as unknown;
      if (typeof name === 'string' && /^\$flick(Eval|MetaOf)\d+$/.test(name))
        this.#functions.set(name, each as (text?: string) => unknown);
    }
    this.#records.forEach((record, index) => {
      if (record.kind !== 'source' || record.meta === undefined) return;
      this.#resolvers[index] = (this.meta(index) as { resolve?: unknown }).resolve;
    });
  }

  #translate(url: string): ModuleWrap | ModuleSource | undefined {
    if (!url.startsWith(moduleAddress)) return undefined;
    const { ModuleWrap } = this.#internals.binding('module_wrap') as unknown as {
      ModuleWrap: ModuleWrapClass;
    };
    if (url === valuesAddress) {
      const take = (index: number, name: string): unknown => this.#take(index, name);
      return new ModuleWrap(url, undefined, ['take'], function () {
        this.setExport('take', take);
      });
    }
    const name = url.slice(moduleAddress.length);
    if (name === 'root' || name.startsWith('failed/')) {
      const text =
        name === 'root' ? this.#rootText() : `import "${moduleAddress}${name.slice(7)}";`;
      return {
        ...{ url, text, isMain: false },
        made: (wrap) => {
          this.#roots.push(wrap);
          // Node.js evaluates what it has been asked for: not yet.
          Object.defineProperty(wrap, 'evaluate', {
            value: () => Promise.resolve(),
            configurable: true,
          });
        },
      };
    }
    if (name.startsWith(facadeFolder)) {
      const index = Number(name.slice(facadeFolder.length));
      const address = JSON.stringify(this.#address(index));
      const text = `export * from ${address}; export { default } from ${address}; export const __esModule = true;`;
      return { url, text, isMain: false, made: (wrap) => this.#facades.set(index, wrap) };
    }
    const index = Number(name);
    const record = this.#records[index];
    if (record === undefined) throw new RebuildError('a module imports what is not there');
    if (record.kind === 'source') return this.#source(record, index);
    if (record.kind === 'builtin') throw new RebuildError('a builtin module has no text');
    const sources = this.#sources;
    const wrap = new ModuleWrap(
      record.url,
      undefined,
      record.exports.map(([each]) => each),
      function () {
        for (const [each, value] of record.exports) this.setExport(each, sources?.value(value));
      },
    );
    this.#wraps[index] = wrap;
    return wrap;
  }

  #rootText(): string {
    const all = this.#records.map((record, index) => ({ record, index }));
    const isMain = ({ record }: { record: ModuleRecord }): boolean =>
      record.kind === 'source' && record.main === true;
    // What imports a module that waits, and has run already, has been imported by that one.
    const ordered = [...all.filter(isMain), ...all.filter((each) => !isMain(each))];
    return [
      ...ordered
        .filter(({ record }) => record.kind !== 'source' || record.state !== 'failed')
        .map(({ index }) => this.#address(index)),
      ...this.#facadeAddresses(),
    ]
      .map((address) => `import ${JSON.stringify(address)};`)
      .join(' ');
  }

  #facadeAddresses(): string[] {
    return this.#capsule.objects.flatMap((each) =>
      each !== null && 'k' in each && each.k === 'facade'
        ? [`${moduleAddress}${facadeFolder}${each.module}`]
        : [],
    );
  }

  #address(index: number): string {
    const record = this.#records[index];
    return record?.kind === 'builtin' ? record.url : `${moduleAddress}${index}`;
  }

  #source(record: Extract<ModuleRecord, { kind: 'source' }>, index: number): ModuleSource {
    const sources = this.#sources;
    if (sources === undefined) throw new RebuildError('modules without their sources');
    const made = (wrap: ModuleWrap): void => {
      this.#wraps[index] = wrap;
    };
    const { url, state } = record;
    if (state === 'failed') {
      const values = JSON.stringify(valuesAddress);
      const text = `import { take } from ${values}; throw take(${index}, "error");`;
      return { url, text, isMain: false, made };
    }
    const script = this.#capsule.scripts[record.script];
    if (script === undefined) throw new RebuildError('a module without its script');
    const tree = sources.tree(record.script);
    const address = (module: number): string => this.#address(module);
    const text =
      state === 'linked'
        ? untouchedText(tree, record, index, address)
        : moduleText(this.#capsule, tree, record, index, {
            declared: sources.declaredIn(record.context),
            edits: ({ script: of, start, end }) =>
              this.templates.edits(tree, { script: of, start, end }, homeNames.module),
            address,
          });
    const origin: ModuleOrigin = {
      script,
      main: record.main === true,
      resumed: state === 'waits',
      requests: record.requests.map(([specifier, type, found]) => {
        const { url: to = '', type: kind = '' } = this.#records[found] ?? {};
        return [specifier, type, to, kind] as const;
      }),
    };
    this.#origins.set(record.script, origin);
    return {
      ...{ url, text, isMain: record.main === true },
      made: (wrap) => {
        made(wrap);
        Object.defineProperty(wrap, '$flickModule', { value: origin });
      },
    };
  }

  /** What a generated module asks for while it is evaluated. */
  #take(index: number, name: string): unknown {
    if (name === 'home') {
      this.#ran.add(index);
      return this.templates.home;
    }
    const record = this.#records[index];
    if (record?.kind !== 'source') return undefined;
    if (name === 'running') return this.#running.get(record.script);
    if (name === 'error') return this.#sources?.value(record.error);
    return this.#sources?.value(this.#capsule.contexts[record.context]?.vars[name]);
  }

  /** The module that has a context as its own; undefined for other contexts. */
  ofContext(context: number): number | undefined {
    return this.#contexts.get(context);
  }

  /** Evaluates an expression with the variables of a module. */
  evaluate(index: number, text: string): unknown {
    const inside = this.#functions.get(`${moduleNames.evaluate}${index}`);
    if (inside === undefined) throw new RebuildError('a module without a way into it');
    return inside(text);
  }

  namespace(index: number): object {
    const wrap = this.#wraps[index];
    if (wrap === undefined) throw new RebuildError('the namespace of a module that is not there');
    return wrap.getNamespace();
  }

  /** What `require` gives for a module with a default export. */
  facade(index: number): object {
    const [original, facade] = [this.#wraps[index], this.#facades.get(index)];
    if (original === undefined || facade === undefined)
      throw new RebuildError('what `require` gave for a module that is not there');
    const namespace = facade.getNamespace();
    Object.defineProperty(original, '$flickFacade', { value: namespace });
    return namespace;
  }

  meta(index: number): object {
    const found = this.#functions.get(`${moduleNames.meta}Of${index}`);
    if (found === undefined) throw new RebuildError('a module without import.meta');
    return found() as object;
  }

  /** `import.meta.resolve`. */
  resolver(index: number): unknown {
    return this.#resolvers[index];
  }

  /** The `require` that a module of CommonJS is given: what it loads are children of that module. */
  requireOf(module: NodeJS.Module): unknown {
    const { makeRequireFunction } = this.#internals.require('internal/modules/helpers') as {
      makeRequireFunction(module: NodeJS.Module): unknown;
    };
    return makeRequireFunction(module);
  }

  origin(script: number): ModuleOrigin | undefined {
    return this.#origins.get(script);
  }

  /** Tells of the promise of a module that goes on at an `await`. */
  goesOn(script: number | undefined, promise: unknown): void {
    if (script !== undefined) this.#running.set(script, promise);
  }

  /** Gives all variables their values; to be called when everything has been made. @throws {RebuildError} */
  run(): void {
    const [root, ...others] = this.#roots;
    if (root === undefined) return;
    for (const each of [root, ...others]) {
      Reflect.deleteProperty(each, 'evaluate');
      each.evaluate(-1, false).catch(() => undefined);
    }
    this.#records.forEach((record, index) => {
      const hasRun = record.kind === 'source' && /^(done|waits)$/.test(record.state);
      if (hasRun && !this.#ran.has(index))
        throw new RebuildError(`the module ${record.url} does not run here`);
    });
    const main = this.#records.findIndex((each) => each.kind === 'source' && each.main === true);
    const record = this.#records[main];
    const wrap = this.#wraps[main];
    if (record?.kind === 'source' && /^(waits|linked)$/.test(record.state) && wrap !== undefined)
      watchMain(wrap, this.#internals);
    // The modules are alive as long as the program: what they were made of must not be.
    this.#sources = undefined;
    this.#running.clear();
    this.#roots.length = 0;
    this.#functions.clear();
  }
}

/** A module that is to be compiled. */
interface ModuleSource {
  readonly url: string;
  readonly text: string;
  readonly isMain: boolean;
  readonly made: (wrap: ModuleWrap) => unknown;
}

/** Calls what Node.js compiles modules with. Newer versions hand it what was loaded, older ones only the text. */
function compile(
  original: Translator,
  loader: unknown,
  { url, text, isMain }: ModuleSource,
  [loaded]: readonly unknown[],
): unknown {
  const isRecord =
    typeof loaded === 'object' &&
    loaded !== null &&
    !ArrayBuffer.isView(loaded) &&
    'source' in loaded;
  const args = isRecord ? [{ ...loaded, source: text }, isMain ? undefined : url] : [text, isMain];
  return Reflect.apply(original, loader, [url, ...args]);
}

/** What Node.js does about the script that it was started with: its failure ends the process, and so does its not ending. */
function watchMain(wrap: ModuleWrap, internals: NodeInternals): void {
  const { handleProcessExit } = internals.require('internal/modules/run_main') as {
    handleProcessExit?: () => void;
  };
  const { privateSymbols = {} } = internals.binding('util') as unknown as {
    privateSymbols?: Record<string, symbol>;
  };
  const { triggerUncaughtException } = internals.binding('errors') as unknown as {
    triggerUncaughtException(error: unknown, fromPromise: boolean): void;
  };
  if (handleProcessExit !== undefined) process.on('exit', handleProcessExit);
  const promise = wrap
    .evaluate(-1, false)
    .catch((error: unknown) => triggerUncaughtException(error, true))
    .finally(() => {
      if (handleProcessExit !== undefined) process.off('exit', handleProcessExit);
    });
  const notes = {
    entry_point_module_private_symbol: wrap,
    entry_point_promise_private_symbol: promise,
  };
  for (const [name, value] of Object.entries(notes)) {
    const symbol = privateSymbols[name];
    if (symbol !== undefined) Reflect.set(globalThis, symbol, value);
  }
}
