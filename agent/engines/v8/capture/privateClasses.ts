import { types } from 'node:util';
import { isUserFunction } from './functions.ts';
import type { Graph } from './graph.ts';

/** Which objects may have private members; only the inspector shows those. */
export class PrivateClasses {
  readonly #graph: Graph;
  readonly #known = new Map<object, boolean>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Whether a class in the chain has private members. */
  isIn(proto: unknown): boolean {
    if (typeof proto !== 'object' || proto === null) return false;
    const known = this.#known.get(proto);
    if (known !== undefined) return known;
    const graph = this.#graph;
    let found = false;
    if (!types.isProxy(proto) && !graph.builtins.indexOf.has(proto)) {
      const maker = Reflect.getOwnPropertyDescriptor(proto, 'constructor')?.value as unknown;
      if (typeof maker === 'function' && isUserFunction(graph, maker)) {
        const { script, node } = graph.scripts.placeOf(maker);
        found = script.tree.scopeOf.get(node)?.hasPrivateNames === true;
      }
      found ||= this.isIn(Object.getPrototypeOf(proto));
    }
    this.#known.set(proto, found);
    return found;
  }
}
