import type { ContextRecord, Value } from '../capsule/format.ts';
import { newTargetName } from '../language/receivers.ts';
import type { Binding, Scope } from '../language/scopes.ts';
import type { Heap } from './heap.ts';
import type { LiveScope } from './inspection.ts';
import { ContextAddresses, recordOf } from './contextAddresses.ts';
import { isOnlyNewer } from './coreFunctions.ts';
import { Refusal } from './refusal.ts';
import { matchScopes, type ContextShape } from './scopeMatch.ts';
import { outermostOf, shortUrl, type Place, type Script } from './scripts.ts';

/** Names of variables that a context of V8 holds for itself. */
const hiddenName = /^$|^\.|^#|^(this|new\.target|\$flick.*)$/;

/** What V8 keeps beside the variables of blocks and classes. */
const helperName = /^$|^\.((static_)?home_object|catch|class-field-\d+|brand)$/;

const entryName = /^(this|arguments|\.new\.target|\.this_function)$/;

/** The contexts that closures and activations share. Index 0 stands for none. */
export class Contexts {
  readonly records: ContextRecord[] = [];
  readonly #indexes = new Map<number, number>();
  readonly #addresses: ContextAddresses;
  readonly #names = new Map<number, string[]>();
  /** Contexts of ES modules by node. */
  readonly #modules = new Map<number, { readonly script: Script; readonly index: number }>();
  /** Those of which only what is exported is known, by index. */
  readonly #unseen = new Set<number>();
  readonly #heap: Heap;
  readonly #encode: (value: unknown, label: string) => Value;
  readonly #home: (node: number, scope: Scope) => Value | undefined;
  readonly #encodeCore: (url: string, name: string, value: unknown) => Value;
  /** The values of the variables of modules of Node.js, by context. */
  readonly #ofCore = new Map<number, { readonly url: string; readonly values: object }>();

  constructor(
    heap: Heap,
    encode: (value: unknown, label: string) => Value,
    encodeCore: (url: string, name: string, value: unknown) => Value,
    home: (node: number, scope: Scope) => Value | undefined,
  ) {
    this.#home = home;
    this.#heap = heap;
    this.#encode = encode;
    this.#addresses = new ContextAddresses(heap, this.records, encode);
    this.#encodeCore = encodeCore;
    this.records.push({ script: 0, scope: ['', 0, 0], parent: 0, vars: {} });
  }

  indexOf(node: number): number | undefined {
    return this.#indexes.get(node);
  }

  /** @param context as the heap tells it from others */
  isKnown(context: number): boolean {
    return this.#indexes.has(context) || this.#addresses.isKnown(context);
  }

  /** From a context outwards, without those that V8 or the engine made; `until` and what is around it are left out. */
  chain(from: number, until = -1): number[] {
    const chain: number[] = [];
    let entered = false;
    const { snapshot } = this.#heap;
    for (let node = from; node >= 0 && node !== until; node = snapshot.follow(node, 'previous')) {
      if (/NativeContext|ScriptContextTable/.test(snapshot.name(node)) || this.#isEngines(node))
        break;
      const names = this.#rawNames(node);
      // The static block through which a rebuild evaluates inside of a class.
      entered =
        names.includes('$flickT') || (entered && names.every((name) => entryName.test(name)));
      if (this.#modules.has(node) || (!entered && !this.#isHome(node))) chain.push(node);
    }
    return chain;
  }

  /**
   * A context that holds nothing of the program's: nothing at all, as that of most classes; the object whose methods use
   * `super`; the keys of fields; what was caught before it is taken apart; or what the engine needed for a rebuild.
   */
  #isHome(node: number): boolean {
    const names = this.#rawNames(node);
    if (names.some((name) => /^\$flick[AHSTZ]$/.test(name))) return true;
    return names.every((name) => helperName.test(name));
  }

  #isEngines(node: number): boolean {
    return this.#heap.snapshot.follow(node, '$flickHome') >= 0;
  }

  /**
   * Registers the contexts that a closure sees.
   * @param f the closure
   * @param around the scope that the closure stands in
   * @param scopes asked for the values of variables when they are not known yet
   * @returns the index of the innermost one
   */
  closure(
    f: object,
    { script, isRebuilt }: Pick<Place, 'script' | 'isRebuilt'>,
    around: Scope,
    scopes: () => readonly LiveScope[],
  ): number {
    const read = this.#addresses.closure(f, script, around, scopes, isRebuilt);
    if (read !== undefined) return read;
    const { snapshot } = this.#heap;
    const chain = this.chain(snapshot.follow(this.#heap.nodeOf(f), 'context'));
    const [first] = chain;
    if (first === undefined) return 0;
    const known = this.#indexes.get(first);
    const last = this.#modules.get(chain.at(-1) ?? -1)?.index ?? 0;
    if (this.#unseen.has(last)) {
      const seen = scopes().find(({ description }) => description.startsWith('Module'));
      if (seen !== undefined) this.fill(last, seen.object);
    }
    if (known !== undefined) return known;
    const matched = this.match(chain, script, around);
    const values = this.#values(chain, matched, script, scopes());
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const context = chain[index] ?? -1;
      const scope = matched[index];
      if (this.#indexes.has(context) || scope === undefined) continue;
      const previous = chain[index + 1];
      const parent = previous === undefined ? 0 : (this.#indexes.get(previous) ?? 0);
      this.add(context, script, scope, parent, values[index] ?? {});
    }
    return this.#indexes.get(first) ?? 0;
  }

  /** @throws {Refusal} when contexts have moved while they were told apart */
  confirm(): void {
    this.#addresses.confirm();
  }

  /**
   * Registers the context of an ES module.
   * @param exported values of the variables that other modules see
   */
  module(node: number, script: Script, exported: Record<string, Value>): number {
    const { kind, node: program } = script.tree.root;
    const index = this.records.length;
    this.records.push({
      script: script.index,
      scope: [kind, program.start, program.end],
      parent: 0,
      vars: exported,
    });
    this.#indexes.set(node, index);
    this.#modules.set(node, { script, index });
    this.#unseen.add(index);
    return index;
  }

  /** Adds the variables that only a module itself sees. */
  fill(index: number, values: object): void {
    if (!this.#unseen.delete(index)) return;
    const [node, { script }] = [...this.#modules].find(([, each]) => each.index === index) ?? [
      -1,
      { script: undefined },
    ];
    const { snapshot } = this.#heap;
    const { hole } = this.#heap;
    const vars = this.records[index]?.vars;
    for (const name of script?.tree.root.capturedNames() ?? []) {
      const value = valueOf(values, name);
      const isHole =
        value === notInitialized ||
        (value === undefined && hole >= 0 && snapshot.follow(node, name) === hole);
      if (vars !== undefined) vars[name] = isHole ? ['h'] : this.#encode(value, name);
    }
  }

  /** The variables of each context of a chain, out of those that the inspector lists for one of its functions. */
  #values(
    chain: readonly number[],
    matched: readonly Scope[],
    script: Script,
    scopes: readonly LiveScope[],
  ): object[] {
    // Scopes without variables are not listed.
    const listed = scopes.filter(({ object, description }) => {
      const names = Object.getOwnPropertyNames(object);
      const isShown =
        !/^(Global|Script)/.test(description) &&
        names.some((name) => !hiddenName.test(name) && name !== 'arguments');
      const isArguments = 'arguments' in object && !names.some((name) => name.startsWith('$flick'));
      return isShown || isArguments;
    });
    let next = 0;
    const values = chain.map((node, index) => {
      // Neither is the name of a function expression.
      const isSelf = (name: string): boolean =>
        matched[index]?.bindings.get(name)?.kind === 'self' && this.#isNamed(node);
      const names = this.names(node);
      if (names.length === 0) return {};
      const object = listed[next]?.object ?? {};
      const there = new Set(Object.getOwnPropertyNames(object));
      const isHere =
        names.every((name) => there.has(name) || isSelf(name)) &&
        names.some((name) => there.has(name));
      if (!isHere && !names.every(isSelf)) throw unmatched(script);
      const found = new Map<string, unknown>();
      for (const name of names.filter((each) => isSelf(each) && !(isHere && there.has(each)))) {
        found.set(name, this.#heap.liveOf(this.#heap.snapshot.follow(node, name)));
      }
      if (isHere) next += 1;
      return found.size === 0 ? object : withOwn(isHere ? object : {}, found);
    });
    const isOver = listed.slice(next).every(({ object }) => '$flickHome' in object);
    if (!isOver && outermostOf(script).kind !== 'module') throw unmatched(script);
    return values;
  }

  /** Registers one context with the values of its variables. */
  add(node: number, script: Script, scope: Scope, parent: number, values: object): number {
    const record = recordOf(script, scope, parent);
    const index = this.records.push(record) - 1;
    this.#indexes.set(node, index);
    if (script.kind === 'core' && scope === script.tree.root) {
      // The target has its own module: only what functions that are carried use of it is looked for there.
      this.#ofCore.set(index, { url: script.url, values });
      return index;
    }
    const { snapshot } = this.#heap;
    const names = this.names(node);
    const { hole } = this.#heap;
    const holes = hole < 0 ? 0 : snapshot.edges(node).filter(({ to }) => to === hole).length;
    const isNamed = snapshot.edges(node).some(({ type }) => type === 'context');
    let none = 0;
    for (const name of names) {
      const binding = scope.bindings.get(name);
      // Kept for an `eval` that does not see it.
      if (binding?.kind === 'arguments' && binding.isNamed !== true) continue;
      const value = valueOf(values, name);
      if (binding?.kind === 'arguments' && typeof value !== 'object') {
        throw new Refusal(
          `Cannot move yet: a function of ${shortUrl(script.url)} uses the arguments of another one, which are not shown.`,
          { passing: true },
        );
      }
      if (value === undefined) none += 1;
      const isHole =
        value === notInitialized ||
        (holes > 0 && value === undefined && (!isNamed || snapshot.follow(node, name) === hole));
      record.vars[name] = isHole ? ['h'] : this.#encode(value, name);
    }
    if (!isNamed && holes > 0 && none > 0 && none !== holes) {
      throw new Refusal(
        `Cannot move yet: a block of ${shortUrl(script.url)} has variables that are not initialized.`,
        { passing: true },
      );
    }
    const self = this.#receiver(node, 'this');
    if (self !== undefined) record.self = self;
    // The function that a rebuild made for a context has one of its own.
    const target = this.#receiver(node, newTargetName) ?? this.#receiver(node, '.new.target');
    if (target !== undefined) record.target = target;
    const home = this.#home(node, scope);
    if (home !== undefined) record.home = home;
    return index;
  }

  /** Says which variables of its module a function of Node.js uses that sees the context. */
  needOfCore(index: number, names: Iterable<string>): void {
    let root = index;
    for (let at = index; at > 0; at = this.records[at]?.parent ?? 0) root = at;
    const core = this.#ofCore.get(root);
    const record = this.records[root];
    if (core === undefined || record === undefined) return;
    for (const name of names) {
      const value = valueOf(core.values, name);
      record.vars[name] ??= isOnlyNewer(core.url, name)
        ? this.#encode(value, name)
        : this.#encodeCore(core.url, name, value);
    }
  }

  /** `this` or `new.target` of a context; undefined when it does not have it. */
  #receiver(node: number, name: string): Value | undefined {
    const { snapshot, none } = this.#heap;
    const held = snapshot.follow(node, name);
    if (held < 0) return undefined;
    if (held === none) return [];
    const isObject = ['object', 'closure', 'regexp', 'array'].includes(snapshot.type(held));
    if (isObject) return this.#encode(this.#heap.liveOf(held), name);
    throw new Refusal('Cannot move yet: a function shares a `this` that is no object.');
  }

  /** The live value of a variable of a context or one around it; undefined for primitives. */
  liveValue(index: number, binding: Binding, live: (id: number) => unknown): unknown {
    for (let at = index; at > 0; at = this.records[at]?.parent ?? 0) {
      const record = this.records[at];
      const [kind, start] = record?.scope ?? ['', -1];
      if (kind !== binding.scope.kind || start !== binding.scope.node.start) continue;
      const value = record?.vars[binding.name];
      return Array.isArray(value) && typeof value[0] === 'number' ? live(value[0]) : undefined;
    }
    return undefined;
  }

  /** The variables of a context. V8 names the references of functions' contexts only; for blocks the scope's own list tells. */
  names(node: number): string[] {
    const known = this.#names.get(node);
    if (known !== undefined) return known;
    const module = this.#modules.get(node);
    if (module !== undefined) {
      // What V8 lists of a module are its imports and exports as well.
      const own = module.script.tree.root.capturedNames();
      this.#names.set(node, own);
      return own;
    }
    const names = this.#rawNames(node);
    // What a rebuild made has `arguments` of its own.
    const isRebuilt = names.includes('$flickR');
    const shown = names.filter(
      (name) => !hiddenName.test(name) && !(isRebuilt && name === 'arguments'),
    );
    this.#names.set(node, shown);
    return shown;
  }

  #rawNames(node: number): string[] {
    const edges = this.#heap.snapshot.edges(node).filter(({ type }) => type === 'context');
    return edges.length > 0 ? edges.map(({ name }) => String(name)) : this.#listed(node);
  }

  #listed(node: number): string[] {
    const { snapshot } = this.#heap;
    const info = snapshot.follow(node, 'scope_info');
    if (info < 0) return [];
    const edges = snapshot.edges(info);
    const table = edges.find(({ to }) => snapshot.name(to) === '(context local names)');
    return (table === undefined ? edges : snapshot.edges(table.to))
      .filter(({ to, type }) => type === 'hidden' && snapshot.type(to) === 'string')
      .map(({ to }) => snapshot.name(to));
  }

  /** Which scope each context of a chain is an instance of; the innermost scope first. @throws {Refusal} */
  match(
    chain: readonly number[],
    script: Script,
    innermost: Scope | undefined,
    until?: Scope,
  ): Scope[] {
    // A module always has its context, whatever stands in it.
    const isModule = this.#modules.has(chain.at(-1) ?? -1);
    const { root } = outermostOf(script).tree;
    const inner = isModule ? chain.slice(0, -1) : chain;
    const shapes = inner.map((node) => this.#shape(node, script));
    const found =
      matchScopes(shapes, innermost, isModule ? root : until) ??
      this.#matchCore(chain, script, innermost);
    if (found === undefined) throw unmatched(script);
    if (isModule) found.push(root);
    found.forEach((scope, index) => {
      const node = chain[index];
      if (node === undefined || shapes[index]?.mayHaveArguments !== true) return;
      if (scope.bindings.get('arguments')?.captured === true)
        this.#names.set(node, scope.capturedNames());
    });
    return found;
  }

  /** Of a module of Node.js a rebuild makes those variables only that are used. */
  #matchCore(
    chain: readonly number[],
    script: Script,
    innermost: Scope | undefined,
  ): Scope[] | undefined {
    const last = chain.at(-1);
    const { root } = script.tree;
    if (script.kind !== 'core' || last === undefined) return undefined;
    if (!this.#rawNames(last).includes('$flickR')) return undefined;
    if (!this.names(last).every((name) => root.bindings.has(name))) return undefined;
    const shapes = chain.slice(0, -1).map((node) => this.#shape(node, script));
    const found = matchScopes(shapes, innermost, root);
    return found === undefined ? undefined : [...found, root];
  }

  /** Whether the contexts of a chain can be those that are seen from a scope. */
  fits(chain: readonly number[], script: Script | undefined, innermost: Scope): boolean {
    const isModule = this.#modules.has(chain.at(-1) ?? -1);
    const root = script === undefined ? undefined : outermostOf(script).tree.root;
    if (isModule !== (script !== undefined && outermostOf(script).kind === 'module')) return false;
    const inner = isModule ? chain.slice(0, -1) : chain;
    const shapes = inner.map((node) => this.#shape(node, script));
    return matchScopes(shapes, innermost, isModule ? root : undefined) !== undefined;
  }

  #shape(node: number, script: Script | undefined): ContextShape {
    const raw = this.#rawNames(node);
    const isRebuilt = raw.some((name) => name.startsWith('$flick'));
    return {
      names: [...this.names(node)].sort(),
      privates: raw.filter((name) => name.startsWith('#')),
      isFunction: isRebuilt ? undefined : this.#isNamed(node),
      mayHaveArguments: isRebuilt && raw.includes('arguments'),
      mayBePart: isRebuilt && script?.kind === 'core',
    };
  }

  /** V8 names the references of functions' contexts, and only of those. */
  #isNamed(node: number): boolean {
    return this.#heap.snapshot.edges(node).some(({ type }) => type === 'context');
  }
}

const notInitialized = Symbol('not initialized');

function withOwn(object: object, more: ReadonlyMap<string, unknown>): object {
  return new Proxy(object, {
    get: (target, name) =>
      typeof name === 'string' && more.has(name)
        ? more.get(name)
        : (Reflect.get(target, name) as unknown),
  });
}

/** Newer versions of V8 answer with an error for what is not initialized. */
function valueOf(values: object, name: string): unknown {
  try {
    return Reflect.get(values, name) as unknown;
  } catch {
    return notInitialized;
  }
}

function unmatched(script: Script): Refusal {
  return new Refusal(
    `The variables that functions of ${shortUrl(script.url)} share could not be told apart.`,
    { hint: 'Code that is made at run time (eval, with) cannot be carried.' },
  );
}
