import type { ContextRecord, Value } from '../capsule/format.ts';
import type { Scope } from '../language/scopes.ts';
import type { Heap } from './heap.ts';
import type { LiveScope } from './inspection.ts';
import type { Address } from './ownMemory.ts';
import { Refusal } from './refusal.ts';
import { outermostOf, scriptOf, type Script } from './scripts.ts';

/** Names of variables that a context of V8 holds for itself. */
const hiddenName = /^\.|^#|^(this|new\.target|\$flick.*)$/;

interface Known {
  readonly index: number;
  /** A closure that sees it. */
  readonly closure: object;
}

/** Contexts that are told apart by their addresses, where the source says without a doubt what each of them holds. */
export class ContextAddresses {
  readonly #heap: Heap;
  readonly #records: ContextRecord[];
  readonly #encode: (value: unknown, label: string) => Value;
  readonly #known = new Map<Address, Known>();

  constructor(
    heap: Heap,
    records: ContextRecord[],
    encode: (value: unknown, label: string) => Value,
  ) {
    this.#heap = heap;
    this.#records = records;
    this.#encode = encode;
  }

  isKnown(context: Address): boolean {
    return this.#known.has(context);
  }

  /**
   * @param isRebuilt whether the closure was made by a rebuild
   * @returns the index of the innermost context that a closure sees; undefined when a snapshot must tell
   */
  closure(
    f: object,
    script: Script,
    around: Scope,
    scopes: () => readonly LiveScope[],
    isRebuilt: boolean,
  ): number | undefined {
    const { memory } = this.#heap;
    const { kind } = outermostOf(script);
    const isEvaluatedAgain = isRebuilt && script.outer !== undefined;
    const isSimple =
      memory !== undefined && !isEvaluatedAgain && (kind === 'commonjs' || kind === 'script');
    const expected = isSimple ? contextsOf(around) : undefined;
    const chain = expected === undefined ? undefined : memory?.chain(f);
    if (chain === undefined || expected === undefined) return undefined;
    const innermost = chain[0] === undefined ? undefined : this.#known.get(chain[0])?.index;
    if (innermost !== undefined) return innermost;
    const again = isRebuilt ? alignRebuilt(chain, expected, scopes()) : undefined;
    if (again?.aligned.length === 0) this.#known.set(chain[0] ?? 0, { index: 0, closure: f });
    const aligned = isRebuilt ? again?.aligned : align(chain, expected);
    if (aligned === undefined) return undefined;
    const [first] = aligned;
    const known = first === undefined ? 0 : this.#known.get(first.address)?.index;
    if (known !== undefined) return known;
    const live = again?.live ?? scopes().filter(isShown);
    if (live.length !== aligned.length) return undefined;
    const values: Record<string, unknown>[] = [];
    for (const [index, { address, scope }] of aligned.entries()) {
      const there = this.#known.get(address);
      if (there !== undefined) {
        if (!this.#isOf(there.index, script, scope)) return undefined;
        continue;
      }
      const shown = shownValues(live[index]?.object ?? {}, scope);
      const isSet = memory?.hasHole(address) === false;
      if (shown === undefined || !isSet) return undefined;
      values[index] = shown;
    }
    let parent = 0;
    for (let index = aligned.length - 1; index >= 0; index -= 1) {
      const { address, scope } = aligned[index] ?? {};
      if (address === undefined || scope === undefined) continue;
      const there = this.#known.get(address);
      if (there !== undefined) {
        parent = there.index;
        continue;
      }
      const record = recordOf(script, scope, parent);
      parent = this.#records.push(record) - 1;
      this.#known.set(address, { index: parent, closure: f });
      for (const [name, value] of Object.entries(values[index] ?? {})) {
        record.vars[name] = this.#encode(value, name);
      }
    }
    return parent;
  }

  /** Whether a context that is known is an instance of a scope. */
  #isOf(index: number, script: Script, scope: Scope): boolean {
    const record = this.#records[index];
    const wanted = recordOf(script, scope, 0);
    return record?.script === wanted.script && record.scope.join() === wanted.scope.join();
  }

  /** @throws {Refusal} when contexts have moved while their addresses were compared */
  confirm(): void {
    const { memory } = this.#heap;
    if (memory === undefined) return;
    const isUnmoved = memory.isUnmoved();
    memory.readAgain();
    const innermost = memory.contextsOf([...this.#known.values()].map(({ closure }) => closure));
    const areThere = [...this.#known.keys()].every(
      (address, index) => memory.chainFrom(innermost[index] ?? 0)?.includes(address) === true,
    );
    if (!isUnmoved || !areThere) {
      throw new Refusal('Cannot move yet: the heap is being tidied up.', { passing: true });
    }
  }
}

/** A context without its variables. */
export function recordOf(script: Script, scope: Scope, parent: number): ContextRecord {
  const { kind, node } = scope;
  const { index } = scriptOf(script, scope);
  return { script: index, scope: [kind, node.start, node.end], parent, vars: {} };
}

/** Not the global one, and none that shows nothing of the program. */
function isShown({ object, description }: LiveScope): boolean {
  const names = Object.getOwnPropertyNames(object);
  return !/^(Global|Script)/.test(description) && names.some((name) => !hiddenName.test(name));
}

/** A context and the scope that it is an instance of. */
interface Aligned {
  readonly address: Address;
  readonly scope: Scope;
}

interface Expected {
  readonly scope: Scope;
  /** Of a class: there may be a context, but it holds nothing of the program's. */
  readonly isEmpty: boolean;
}

const contextLists = new WeakMap<Scope, readonly Expected[] | null>();

/** How many contexts a function in a scope may see by what the source says; undefined where it does not say. */
export function contextCounts(around: Scope): readonly number[] | undefined {
  const all = contextsOf(around);
  return all === undefined ? undefined : [all.length, all.filter(({ isEmpty }) => !isEmpty).length];
}

/** The scopes that have a context, from one outwards; undefined when one of them holds more than its variables. */
function contextsOf(around: Scope): readonly Expected[] | undefined {
  const known = contextLists.get(around);
  if (known !== undefined) return known ?? undefined;
  const found: Expected[] = [];
  let plain = true;
  for (let scope: Scope | undefined = around; scope !== undefined; scope = scope.parent) {
    const names = scope.capturedNames();
    plain &&= !scope.sharesThis && !scope.hasPrivateNames && !names.includes('arguments');
    const isEmpty = names.length === 0;
    if (!isEmpty || scope.kind === 'class') found.push({ scope, isEmpty });
  }
  contextLists.set(around, plain ? found : null);
  return plain ? found : undefined;
}

/** Which context is whose, without empty ones; undefined unless all classes have one or none has. */
function align(chain: readonly Address[], expected: readonly Expected[]): Aligned[] | undefined {
  const filled = expected.filter(({ isEmpty }) => !isEmpty);
  const all = chain.length === expected.length ? expected : filled;
  if (chain.length !== all.length) return undefined;
  return all.flatMap(({ scope, isEmpty }, index) => {
    const address = chain[index];
    return isEmpty || address === undefined ? [] : [{ address, scope }];
  });
}

/**
 * The same for what a rebuild made, where each context is shown: those of the program have what they were given their
 * values by, or are of calls since then and have the names of their scope; the others hold the rebuild's alone.
 */
function alignRebuilt(
  chain: readonly Address[],
  expected: readonly Expected[],
  scopes: readonly LiveScope[],
): { readonly aligned: Aligned[]; readonly live: LiveScope[] } | undefined {
  const shown = scopes.filter(({ description }) => !/^(Global|Script)/.test(description));
  const filled = expected.filter(({ isEmpty }) => !isEmpty);
  if (shown.length !== chain.length) return undefined;
  const aligned: Aligned[] = [];
  const live: LiveScope[] = [];
  for (const [index, each] of shown.entries()) {
    const address = chain[index];
    const names = namesIn(each.object);
    if (!isMade(each.object) && names.every((name) => name === 'arguments')) continue;
    const scope = filled[aligned.length]?.scope;
    if (scope === undefined || address === undefined) return undefined;
    if (names.join() !== scope.capturedNames().join()) return undefined;
    aligned.push({ address, scope });
    live.push(each);
  }
  return aligned.length === filled.length ? { aligned, live } : undefined;
}

/** Whether a rebuild made a context for the program, which then has what its variables were given their values by. */
function isMade(object: object): boolean {
  return Object.hasOwn(object, '$flickR');
}

/** The variables of the program in a context, as `capturedNames` has them of a scope. */
function namesIn(object: object): string[] {
  // What a rebuild made has `arguments` of its own.
  const isOwn = (name: string): boolean => !(name === 'arguments' && isMade(object));
  return Object.getOwnPropertyNames(object)
    .filter((name) => !hiddenName.test(name) && isOwn(name))
    .sort();
}

/** The variables of a scope; undefined when they are others than its source says. */
function shownValues(object: object, scope: Scope): Record<string, unknown> | undefined {
  const names = namesIn(object);
  if (names.join() !== scope.capturedNames().join()) return undefined;
  const values: Record<string, unknown> = {};
  try {
    for (const name of names) values[name] = Reflect.get(object, name) as unknown;
  } catch {
    // Newer versions of V8 answer with an error for what is not initialized.
    return undefined;
  }
  return values;
}
