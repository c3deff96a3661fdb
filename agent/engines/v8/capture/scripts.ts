import { ScopeTree } from '../language/scopes.ts';
import { isClass, parseScript, type ClassNode, type FunctionNode, type ScriptKind } from '../language/parse.ts';
import type { ScriptRecord } from '../capsule/format.ts';
import type { Heap } from './heap.ts';
import type { Natives } from './natives.ts';
import { Refusal } from './refusal.ts';

export interface Script extends ScriptRecord {
  readonly index: number;
  readonly tree: ScopeTree;
}

/** Where a function stands in the source as its author wrote it. */
export interface Place {
  readonly script: Script;
  readonly node: FunctionNode | ClassNode;
}

/** The scripts of the program that something alive was made by. */
export class Scripts {
  readonly all: Script[] = [];
  readonly #byNode = new Map<number, Script>();
  readonly #parsed = new Map<string, ScopeTree>();
  readonly #heap: Heap;
  readonly #natives: Natives;

  constructor(heap: Heap, natives: Natives) {
    this.#heap = heap;
    this.#natives = natives;
  }

  /** @throws {Refusal} */
  placeOf(f: object, node: number): Place {
    const found = this.#heap.scriptOf(node);
    if (found === undefined) throw new Refusal('A function has no script.');
    const script = this.#script(f, found.node, found.url);
    const place = script.tree.byPosition.get(this.#natives.position(f));
    if (place === undefined) {
      throw new Refusal(`A function of ${script.url} is not where its script says.`);
    }
    return { script, node: place };
  }

  #script(f: object, node: number, url: string): Script {
    const known = this.#byNode.get(node);
    if (known !== undefined) return known;
    const source = this.#natives.script(f) ?? '';
    const kind: ScriptKind = url.startsWith('file:') ? 'module' : url.startsWith('/') ? 'commonjs' : 'script';
    const script = { index: this.all.length, url, kind, source, tree: this.parse(source, kind, url) };
    this.all.push(script);
    this.#byNode.set(node, script);
    return script;
  }

  /** @throws {Refusal} */
  parse(source: string, kind: ScriptKind, url: string): ScopeTree {
    const key = `${kind} ${source}`;
    let tree = this.#parsed.get(key);
    if (tree !== undefined) return tree;
    try {
      tree = new ScopeTree(source, parseScript(source, kind), kind);
    } catch (error) {
      throw new Refusal(`${url} could not be read: ${String(error)}.`);
    }
    if (source.includes('$flick')) throw new Refusal(`${url} uses names that begin with $flick.`);
    this.#parsed.set(key, tree);
    return tree;
  }
}

/** `file.js:12`, with the name of what stands there. */
export function describePlace({ script, node }: Place): string {
  const line = script.source.slice(0, node.start).split('\n').length;
  const name = node.id?.name ?? (isClass(node) ? 'a class' : 'a function');
  return `'${name}' (${shortUrl(script.url)}:${line})`;
}

export function shortUrl(url: string): string {
  return url.replace(/^.*\//, '') || 'code without a file';
}
