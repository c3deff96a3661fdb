import { cpuUsage } from 'node:process';
import type { Capsule, ContextRecord, ObjectRecord, Value } from '../capsule/format.ts';
import type { NodeInternals } from '../capture/internals.ts';
import type { Inspection } from '../capture/inspection.ts';
import { isFunction, type FunctionNode } from '../language/parse.ts';
import type { Trees } from '../language/readTree.ts';
import type { Scope, ScopeTree } from '../language/scopes.ts';
import { isMethod, nodesOf } from './functionNodes.ts';
import { FunctionTexts } from './functionTexts.ts';
import { Modules } from './modules.ts';
import { forgetTexts } from './traces.ts';
import { verify } from './verify.ts';
import { World } from './world.ts';

/** How much of a processor it takes, in ms. */
const budgetMs = 150;
/** How many plain objects are made with the functions of one script, and how many names one of many has. */
const plainObjects = 40;
const manyNames = 60;

/**
 * Makes functions of the scripts that are coming, and objects, as if they were in a capsule: what V8 compiles on the way
 * need not be compiled when that is there and the program stands still. Nothing of the program runs, and nothing stays.
 */
export function practise(trees: Trees, internals: NodeInternals, inspection: Inspection): void {
  const used = cpuUsage();
  for (const tree of trees.values()) {
    const { user, system } = cpuUsage(used);
    if (user + system > 1_000 * budgetMs) break;
    try {
      const capsule = new Sample(tree).capsule;
      const modules = new Modules(capsule, internals, inspection);
      const world = new World(capsule, new FunctionTexts(), modules, trees);
      world.makeAll();
      world.fill();
      verify(world);
    } catch {
      // A script that a program does something else with.
    }
  }
  forgetTexts();
}

/** A capsule with the functions of one script, as if that had just been loaded. */
class Sample {
  readonly capsule: Capsule;
  readonly #objects: (ObjectRecord | null)[] = [null];
  readonly #contexts: ContextRecord[] = [{ script: 0, scope: ['', 0, 0], parent: 0, vars: {} }];
  readonly #indexes = new Map<Scope, number>();
  readonly #ofObjects = this.#builtin('Object');
  readonly #ofFunctions = this.#builtin('Function');

  constructor(tree: ScopeTree) {
    for (const node of nodesOf(tree).values()) {
      const around = tree.around.get(node);
      if (!isFunction(node) || around === undefined || !isPlain(around)) continue;
      if (!isMethod(node, node, tree.parents.get(node))) this.#function(node, around);
    }
    this.#plainOnes();
    this.capsule = {
      header: {} as Capsule['header'],
      symbols: [],
      shapes: [{ proto: this.#ofObjects, keys: ['name', 'list'] }],
      scripts: [{ url: '/practice.js', kind: 'commonjs', source: tree.source }],
      contexts: this.#contexts,
      objects: this.#objects as Capsule['objects'],
      roots: { esm: [] } as unknown as Capsule['roots'],
    };
  }

  #add(record: ObjectRecord): [number] {
    return [this.#objects.push(record) - 1];
  }

  #builtin(name: string): [number] {
    return this.#add({ k: 'builtin', paths: [`global\n.${name}\n.prototype`] });
  }

  #function(node: FunctionNode, around: Scope): void {
    const { start, end } = node;
    const id = this.#objects.length;
    this.#add({
      ...{ k: 'fn', script: 0, start, end, context: this.#context(around) },
      ...{ proto: this.#ofFunctions, props: [['length', 4, node.params.length]] },
    });
    const isArrow = node.type === 'ArrowFunctionExpression';
    if (isArrow || node.async || node.generator) return;
    const prototype = this.#add({
      ...{ k: 'obj', proto: this.#ofObjects, props: [['constructor', 5, [id]]] },
    });
    const record = this.#objects[id] as { props: unknown[] };
    record.props.push(['prototype', 1, prototype]);
  }

  /** @returns the index of the innermost context that is seen in a scope */
  #context(scope: Scope | undefined): number {
    if (scope === undefined) return 0;
    const known = this.#indexes.get(scope);
    if (known !== undefined) return known;
    const parent = this.#context(scope.parent);
    const names = scope.capturedNames();
    const { kind, node } = scope;
    const vars = Object.fromEntries(names.map((name): [string, Value] => [name, []]));
    const record: ContextRecord = { script: 0, scope: [kind, node.start, node.end], parent, vars };
    const index = names.length === 0 ? parent : this.#contexts.push(record) - 1;
    this.#indexes.set(scope, index);
    return index;
  }

  #plainOnes(): void {
    const entries: Value[] = [];
    for (let at = 0; at < manyNames; at += 1) entries.push(`name ${at}`, 'value');
    this.#add({ k: 'dict', proto: null, entries });
    for (let at = 0; at < plainObjects; at += 1) {
      const list = this.#add([1, 'one', at, true]);
      this.#add([0, 0, `name ${at}`, list]);
    }
  }
}

/** Whether everything from a scope outwards holds nothing but variables. */
function isPlain(from: Scope): boolean {
  for (let scope: Scope | undefined = from; scope !== undefined; scope = scope.parent) {
    const isOther = scope.kind === 'class' || scope.sharesThis || scope.hasPrivateNames;
    if (isOther || scope.usesSuper || scope.capturedNames().includes('arguments')) return false;
  }
  return true;
}
