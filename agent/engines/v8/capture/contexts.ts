import type { ContextRecord, Value } from '../capsule/format.ts';
import type { Binding, Scope } from '../language/scopes.ts';
import type { Heap } from './heap.ts';
import type { LiveScope } from './inspection.ts';
import type { Address } from './ownMemory.ts';
import { Refusal } from './refusal.ts';
import { shortUrl, type Script } from './scripts.ts';

/** Names of variables that a context of V8 holds for itself. */
const hiddenName = /^\.|^#|^(this|new\.target|\$flick.*)$/;

const entryName = /^(this|arguments|\.new\.target|\.this_function)$/;

/** The contexts that closures and activations share. Index 0 stands for none. */
export class Contexts {
  readonly records: ContextRecord[] = [];
  readonly #indexes = new Map<number, number>();
  readonly #addresses = new Map<
    Address,
    { readonly index: number; readonly closure: object; readonly depth: number }
  >();
  readonly #names = new Map<number, string[]>();
  readonly #heap: Heap;
  readonly #encode: (value: unknown, label: string) => Value;

  constructor(heap: Heap, encode: (value: unknown, label: string) => Value) {
    this.#heap = heap;
    this.#encode = encode;
    heap.onTaken(() => this.#toNodes());
    this.records.push({ script: 0, scope: ['', 0, 0], parent: 0, vars: {} });
  }

  indexOf(node: number): number | undefined {
    return this.#indexes.get(node);
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
      if (!entered && !this.#isHome(node)) chain.push(node);
    }
    return chain;
  }

  /** A context that holds nothing but the object whose methods use `super`, or what the engine needed for a rebuild. */
  #isHome(node: number): boolean {
    const names = this.#rawNames(node);
    if (names.some((name) => /^\$flick[AHSTZ]$/.test(name))) return true;
    return names.length > 0 && names.every((name) => /^\.(static_)?home_object$/.test(name));
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
  closure(f: object, script: Script, around: Scope, scopes: () => readonly LiveScope[]): number {
    const read = this.#read(f, script, around, scopes);
    if (read !== undefined) return read;
    const { snapshot } = this.#heap;
    const chain = this.chain(snapshot.follow(this.#heap.nodeOf(f), 'context'));
    const [first] = chain;
    if (first === undefined) return 0;
    const known = this.#indexes.get(first);
    if (known !== undefined) return known;
    const matched = this.match(chain, script, around);
    const visible = chain.filter((each) => this.names(each).length > 0);
    const live = shownScopes(scopes());
    const outer = live.slice(0, visible.length);
    visible.forEach((each, index) => {
      const names = new Set(Object.getOwnPropertyNames(outer[index]?.object ?? {}));
      if (!this.names(each).every((name) => names.has(name))) throw unmatched(script);
    });
    if (live.length > visible.length && script.kind !== 'module') {
      const extra = live.slice(visible.length).some(({ object }) => !('$flickHome' in object));
      if (extra) throw unmatched(script);
    }
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const context = chain[index] ?? -1;
      const scope = matched[index];
      if (this.#indexes.has(context) || scope === undefined) continue;
      const values = outer[visible.indexOf(context)]?.object ?? {};
      const previous = chain[index + 1];
      const parent = previous === undefined ? 0 : (this.#indexes.get(previous) ?? 0);
      this.add(context, script, scope, parent, values);
    }
    return this.#indexes.get(first) ?? 0;
  }

  /**
   * Registers the contexts that a closure sees by their addresses, where its source says without a doubt what each of
   * them holds.
   * @returns undefined when a snapshot must tell
   */
  #read(
    f: object,
    script: Script,
    around: Scope,
    scopes: () => readonly LiveScope[],
  ): number | undefined {
    const { memory } = this.#heap;
    const expected = memory === undefined ? undefined : contextsOf(around);
    const chain = expected === undefined ? undefined : memory?.chain(f);
    if (chain?.length !== expected?.length || chain === undefined) return undefined;
    const known = chain[0] === undefined ? 0 : this.#addresses.get(chain[0])?.index;
    if (known !== undefined) return known;
    const live = shownScopes(scopes());
    if (live.length !== chain.length) return undefined;
    const values: Record<string, unknown>[] = [];
    for (const [index, scope] of (expected ?? []).entries()) {
      const shown = shownValues(live[index]?.object ?? {}, scope);
      const isSet = shown !== undefined && memory?.hasHole(chain[index] ?? 0) === false;
      if (!isSet) return undefined;
      values.push(shown);
    }
    let parent = 0;
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const address = chain[index] ?? 0;
      const scope = expected?.[index];
      const there = this.#addresses.get(address);
      if (there !== undefined) parent = there.index;
      else if (scope !== undefined) {
        const record = recordOf(script, scope, parent);
        parent = this.records.push(record) - 1;
        this.#addresses.set(address, { index: parent, closure: f, depth: index });
        for (const [name, value] of Object.entries(values[index] ?? {})) {
          record.vars[name] = this.#encode(value, name);
        }
      }
    }
    return parent;
  }

  /** Once there is a snapshot, its nodes stand for contexts. */
  #toNodes(): void {
    for (const { index, closure, depth } of this.#addresses.values()) {
      const chain = this.chain(this.#heap.snapshot.follow(this.#heap.nodeOf(closure), 'context'));
      const node = chain[depth];
      if (node === undefined) throw new Error('a context is not where it was');
      this.#indexes.set(node, index);
    }
  }

  /** @throws when contexts have moved while their addresses were compared */
  confirm(): void {
    const { memory } = this.#heap;
    if (memory === undefined) return;
    for (const [address, { closure, depth }] of this.#addresses) {
      if (memory.chain(closure)?.[depth] !== address) {
        throw new Refusal('Cannot move yet: the heap is being tidied up.', { passing: true });
      }
    }
  }

  /** Registers one context with the values of its variables. */
  add(node: number, script: Script, scope: Scope, parent: number, values: object): number {
    const record = recordOf(script, scope, parent);
    const index = this.records.push(record) - 1;
    this.#indexes.set(node, index);
    const { snapshot } = this.#heap;
    const names = this.names(node);
    const { hole } = this.#heap;
    const holes = hole < 0 ? 0 : snapshot.edges(node).filter(({ to }) => to === hole).length;
    const isNamed = snapshot.edges(node).some(({ type }) => type === 'context');
    let none = 0;
    for (const name of names) {
      const value = valueOf(values, name);
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
    const self = snapshot.follow(node, 'this');
    if (self >= 0 && ['object', 'closure'].includes(snapshot.type(self))) {
      record.self = this.#encode(this.#heap.liveOf(self), 'this');
    }
    return index;
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
  match(chain: readonly number[], script: Script, innermost: Scope | undefined): Scope[] {
    const found: Scope[] = [];
    let scope = innermost;
    for (const node of chain) {
      const names = this.names(node).sort().join();
      for (;;) {
        if (scope === undefined) throw unmatched(script);
        const captured = scope.capturedNames().join();
        // The way into a class that a rebuild made shares the name of the class.
        const ownName = scope.kind === 'class' ? [...scope.bindings.keys()].join() : undefined;
        // And its contexts have `arguments` whether the program uses them or not.
        const withArguments = this.#rawNames(node).includes('arguments')
          ? [...this.names(node), 'arguments'].sort().join()
          : names;
        if (captured === withArguments && captured !== names)
          this.#names.set(node, captured.split(','));
        const fits =
          captured === names ||
          captured === withArguments ||
          (ownName === names && captured === '');
        const empty = names === '' && (scope.sharesThis || scope.hasPrivateNames);
        const candidate = scope;
        scope = scope.parent;
        if (fits && (names !== '' || captured !== '' || empty)) {
          found.push(candidate);
          break;
        }
        // Every scope with shared variables has a context; one that does not fit shows that the chain is another.
        if (candidate.capturedNames().length > 0) throw unmatched(script);
      }
    }
    return found;
  }
}

function recordOf(script: Script, scope: Scope, parent: number): ContextRecord {
  const { kind, node } = scope;
  return { script: script.index, scope: [kind, node.start, node.end], parent, vars: {} };
}

/** Without the global one and those that show nothing of the program. */
function shownScopes(scopes: readonly LiveScope[]): LiveScope[] {
  return scopes.filter(({ object, description }) => {
    const names = Object.getOwnPropertyNames(object);
    return (
      (!/^Global/.test(description) &&
        names.some((name) => !hiddenName.test(name) && name !== 'arguments')) ||
      ('arguments' in object && !names.some((name) => name.startsWith('$flick')))
    );
  });
}

const contextLists = new WeakMap<Scope, readonly Scope[] | null>();

/** The scopes that have a context, from one outwards; undefined when one of them holds more than its variables. */
function contextsOf(around: Scope): readonly Scope[] | undefined {
  const known = contextLists.get(around);
  if (known !== undefined) return known ?? undefined;
  const found: Scope[] = [];
  let plain = true;
  for (let scope: Scope | undefined = around; scope !== undefined; scope = scope.parent) {
    const names = scope.capturedNames();
    plain &&= !scope.sharesThis && !scope.hasPrivateNames && !names.includes('arguments');
    if (names.length > 0) found.push(scope);
  }
  contextLists.set(around, plain ? found : null);
  return plain ? found : undefined;
}

/** The variables of a scope; undefined when they are others than its source says. */
function shownValues(object: object, scope: Scope): Record<string, unknown> | undefined {
  const names = Object.getOwnPropertyNames(object).filter((name) => !hiddenName.test(name));
  if (names.sort().join() !== scope.capturedNames().join()) return undefined;
  const values: Record<string, unknown> = {};
  for (const name of names) {
    values[name] = valueOf(object, name);
  }
  return values;
}

const notInitialized = Symbol('not initialized');

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
