import type { ContextRecord, Value } from '../capsule/format.ts';
import type { Scope } from '../language/scopes.ts';
import type { Heap } from './heap.ts';
import type { LiveScope } from './inspection.ts';
import type { Address } from './ownMemory.ts';
import { Refusal } from './refusal.ts';
import type { Script } from './scripts.ts';

/** Names of variables that a context of V8 holds for itself. */
const hiddenName = /^\.|^#|^(this|new\.target|\$flick.*)$/;

interface Known {
  readonly index: number;
  /** A closure that sees it, and how far out. */
  readonly closure: object;
  readonly depth: number;
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

  get known(): Iterable<Known> {
    return this.#known.values();
  }

  /** @returns the index of the innermost context that a closure sees; undefined when a snapshot must tell */
  closure(
    f: object,
    script: Script,
    around: Scope,
    scopes: () => readonly LiveScope[],
  ): number | undefined {
    const { memory } = this.#heap;
    const isSimple =
      memory !== undefined && (script.kind === 'commonjs' || script.kind === 'script');
    const expected = isSimple ? contextsOf(around) : undefined;
    const chain = expected === undefined ? undefined : memory?.chain(f);
    if (chain === undefined || chain.length !== expected?.length) return undefined;
    const known = chain[0] === undefined ? 0 : this.#known.get(chain[0])?.index;
    if (known !== undefined) return known;
    const live = scopes().filter(isShown);
    if (live.length !== chain.length) return undefined;
    const values: Record<string, unknown>[] = [];
    for (const [index, scope] of expected.entries()) {
      const shown = shownValues(live[index]?.object ?? {}, scope);
      const isSet = memory?.hasHole(chain[index] ?? 0) === false;
      if (shown === undefined || !isSet) return undefined;
      values.push(shown);
    }
    let parent = 0;
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const address = chain[index] ?? 0;
      const scope = expected[index];
      const there = this.#known.get(address);
      if (there !== undefined) parent = there.index;
      else if (scope !== undefined) {
        const record = recordOf(script, scope, parent);
        parent = this.#records.push(record) - 1;
        this.#known.set(address, { index: parent, closure: f, depth: index });
        for (const [name, value] of Object.entries(values[index] ?? {})) {
          record.vars[name] = this.#encode(value, name);
        }
      }
    }
    return parent;
  }

  /** @throws {Refusal} when contexts have moved while their addresses were compared */
  confirm(): void {
    const { memory } = this.#heap;
    if (memory === undefined) return;
    for (const [address, { closure, depth }] of this.#known) {
      if (memory.chain(closure)?.[depth] !== address) {
        throw new Refusal('Cannot move yet: the heap is being tidied up.', { passing: true });
      }
    }
  }
}

/** A context without its variables. */
export function recordOf(script: Script, scope: Scope, parent: number): ContextRecord {
  const { kind, node } = scope;
  return { script: script.index, scope: [kind, node.start, node.end], parent, vars: {} };
}

/** Not the global one, and none that shows nothing of the program. */
function isShown({ object, description }: LiveScope): boolean {
  const names = Object.getOwnPropertyNames(object);
  return !/^(Global|Script)/.test(description) && names.some((name) => !hiddenName.test(name));
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
  try {
    for (const name of names) values[name] = Reflect.get(object, name) as unknown;
  } catch {
    // Newer versions of V8 answer with an error for what is not initialized.
    return undefined;
  }
  return values;
}
