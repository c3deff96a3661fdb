import { followSteps, stepsOf, type BuiltinList, type Builtins } from '../capsule/builtins.ts';
import type { Heap } from './heap.ts';

/** Names of the code that many builtins share. */
const shared = /^(HandleApiCall\w*|EmptyFunction\w*|Illegal|)$/;

/** Functions of the language that the program has put something else in the place of, and still holds. */
export class Originals {
  readonly #heap: Heap;
  readonly #builtins: Builtins;
  readonly #list: BuiltinList;
  readonly #realm: object;
  #byCode: Map<string, number> | undefined;

  /** @param realm the global object of a realm in which nothing is changed, older than the snapshot of the heap */
  constructor(heap: Heap, builtins: Builtins, list: BuiltinList, realm: object) {
    this.#heap = heap;
    this.#builtins = builtins;
    this.#list = list;
    this.#realm = realm;
  }

  /** Ways to a native function in a process in which nothing is changed; undefined when it is none of these. */
  pathsOf(node: number): string[] | undefined {
    this.#byCode ??= this.#missing();
    const index = this.#byCode.get(this.#heap.builtinName(node));
    return index === undefined ? undefined : this.#builtins.paths(index);
  }

  #missing(): Map<string, number> {
    const found = new Map<string, number>();
    this.#list.entries.forEach(([holder, step], index) => {
      if (this.#builtins.objects[index] !== undefined) return;
      // What is found by way of a module at first has an owner with a name of its own.
      const owners = holder < 0 ? [] : this.#builtins.paths(holder).map((way) => [way, step]);
      const ways = [[this.#builtins.paths(index)[0] ?? ''], ...owners];
      const [, ...steps] = ways
        .map(([way = '', ...last]) => [...stepsOf(way), ...last])
        .find(([root]) => root === 'global') ?? [''];
      if (steps.length === 0) return;
      const twin = followSteps(this.#realm, steps);
      if (typeof twin !== 'function') return;
      const code = this.#heap.builtinName(this.#heap.nodeOf(twin));
      if (!shared.test(code)) found.set(code, index);
    });
    return found;
  }
}
