import type { Scope, ScopeTree } from '../language/scopes.ts';
import { isClass, type ClassNode, type FunctionNode, type ScriptKind } from '../language/parse.ts';
import { evaluatedTree, readTree, scopeAround, type Trees } from '../language/readTree.ts';
import type { ScriptRecord } from '../capsule/format.ts';
import { snapshotNeeded, type Heap } from './heap.ts';
import type { Address, OwnMemory } from './ownMemory.ts';
import type { Natives } from './natives.ts';
import { readOriginMark, type OriginMark } from '../language/origin.ts';
import { homeNames, type Home } from '../rebuild/templates.ts';
import { Refusal } from './refusal.ts';

export interface Script extends ScriptRecord {
  readonly index: number;
  readonly tree: ScopeTree;
  /** Of the code of a direct `eval`: the script that this stands in. */
  readonly outer?: Script;
}

/** Where the code of a direct `eval` stands. */
export interface Inside {
  readonly script: Script;
  readonly scope: Scope;
}

/** Finds out where the script of a function stands; undefined when its own source says all about it. */
export type Locate = (f: object, source: string, tree: ScopeTree) => Inside | undefined;

/** The script of a scope that a script's functions see. */
export function scriptOf(script: Script, scope: Scope): Script {
  let at = script;
  while (at.outer !== undefined && at.tree.root !== scope.top) at = at.outer;
  return at;
}

/** The script that stands in no other one. */
export function outermostOf(script: Script): Script {
  return script.outer === undefined ? script : outermostOf(script.outer);
}

/** Where a function stands in the source as its author wrote it. */
export interface Place {
  readonly script: Script;
  readonly node: FunctionNode | ClassNode;
  /** It was made of the script by a rebuild. */
  readonly isRebuilt: boolean;
}

/** The scripts of the program that something alive was made by. */
export class Scripts {
  readonly all: Script[] = [];
  /** What rebuilds left for this, of the functions that have been seen. */
  readonly homes = new Set<Home>();
  readonly #byId = new Map<number, Script>();
  readonly #marks = new Map<number, OriginMark | undefined>();
  readonly #origins = new Map<ScriptRecord, Script>();
  /** By the address of the context that holds them. */
  readonly #shown = new Map<Address, Home>();
  readonly #parsed: Trees;
  readonly #heap: Heap;
  readonly #natives: Natives;
  readonly #locate: Locate;

  constructor(heap: Heap, natives: Natives, parsed: Trees, locate: Locate) {
    this.#locate = locate;
    this.#parsed = parsed;
    this.#heap = heap;
    this.#natives = natives;
  }

  /** @throws {Refusal} */
  placeOf(f: object): Place {
    const found = this.#heap.script(f);
    if (found === undefined) throw new Refusal('A function has no script.');
    const again = this.#generated(f, found.id);
    if (again !== undefined) return again;
    const script = this.#script(f, found.id, found.url);
    const place = script.tree.byPosition.get(this.#natives.position(f));
    if (place === undefined) {
      throw new Refusal(`A function of ${script.url} is not where its script says.`);
    }
    return { script, node: place, isRebuilt: false };
  }

  /** The place of a function that a rebuild made, in the script that it was made of. */
  #generated(f: object, id: number): Place | undefined {
    if (!this.#marks.has(id)) this.#marks.set(id, readOriginMark(this.#natives.script(f) ?? ''));
    const mark = this.#marks.get(id);
    if (mark === undefined) return undefined;
    const script =
      this.#heap.memory === undefined
        ? this.originOf(this.#heap.nodeOf(f), mark.script)
        : this.#origin(this.#shownHome(f, this.#heap.memory), mark.script);
    if (script === undefined) {
      throw new Refusal('A function belongs to a module that has not run yet.', { passing: true });
    }
    const place = script.tree.byPosition.get(mark.toOriginal(this.#natives.position(f)));
    if (place === undefined)
      throw new Refusal(`A function of ${script.url} is not where its script says.`);
    return { script, node: place, isRebuilt: true };
  }

  /** What the outermost context of what a rebuild made holds, without a snapshot. @throws where one must tell */
  #shownHome(f: object, memory: OwnMemory): Home {
    const outermost = memory.chain(f)?.at(-1) ?? 0;
    const known = this.#shown.get(outermost);
    if (known !== undefined) return known;
    for (const { object } of this.#heap.scopesOf(f)) {
      if (!Object.hasOwn(object, homeNames.outermost)) continue;
      const home = Reflect.get(object, homeNames.outermost) as Home;
      this.#shown.set(outermost, home);
      return home;
    }
    throw snapshotNeeded;
  }

  /** The script that generated code was made of; the outermost context of what it made holds them all. */
  originOf(node: number, index: number): Script | undefined {
    const { snapshot } = this.#heap;
    for (let context = snapshot.follow(node, 'context'); context >= 0;) {
      let home = snapshot.follow(context, '$flickHome');
      if (home < 0) home = snapshot.follow(context, '$flickModule');
      if (home >= 0) {
        return this.#origin(this.#heap.liveOf(home) as Home, index);
      }
      context = snapshot.follow(context, 'previous');
    }
    return undefined;
  }

  #origin(home: Home, index: number): Script | undefined {
    this.homes.add(home);
    const record = home.scripts[index];
    return record === undefined ? undefined : this.again(record, home.scripts);
  }

  /** The script of an ES module. @param id that V8 has for it */
  module(id: number, url: string, source: string): Script {
    const script = this.#add({ url, kind: 'module', source });
    this.#byId.set(id, script);
    return script;
  }

  /** The script of a capsule that the program was rebuilt from. */
  again(record: ScriptRecord, all: readonly ScriptRecord[]): Script {
    const known = this.#origins.get(record);
    if (known !== undefined) return known;
    const script = this.#add(record, this.#insideAgain(record, all));
    this.#origins.set(record, script);
    return script;
  }

  #script(f: object, id: number, url: string): Script {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const source = this.#natives.script(f) ?? '';
    const kind: ScriptKind = url.startsWith('file:')
      ? 'module'
      : url.startsWith('node:')
        ? 'core'
        : url.startsWith('/')
          ? 'commonjs'
          : 'script';
    if (kind === 'module') {
      throw new Refusal(`${shortUrl(url)} is an ES module that Node.js has not loaded itself.`);
    }
    const inside =
      kind === 'script' ? this.#locate(f, source, this.parse(source, kind, url)) : undefined;
    const script = this.#add({ url, kind, source }, inside);
    if (inside !== undefined) {
      this.#byId.set(id, script);
      return script;
    }
    const isGlobal = [...script.tree.root.bindings.values()].some(
      ({ captured, kind: of }) => captured && of !== 'var' && of !== 'function',
    );
    if (kind === 'script' && isGlobal) {
      throw new Refusal(`${shortUrl(url)} has variables outside of any module.`);
    }
    this.#byId.set(id, script);
    return script;
  }

  #insideAgain({ inside }: ScriptRecord, all: readonly ScriptRecord[]): Inside | undefined {
    const record = inside === undefined ? undefined : all[inside[0]];
    if (inside === undefined || record === undefined) return undefined;
    const script = this.again(record, all);
    const scope = scopeAround(inside, () => script.tree);
    if (scope === undefined) throw new Refusal('Evaluated code is not where its capsule says.');
    return { script, scope };
  }

  #add({ url, kind, source }: ScriptRecord, inside?: Inside): Script {
    const tree =
      inside === undefined ? this.parse(source, kind, url) : evaluatedTree(source, inside.scope);
    const record: ScriptRecord = { url, kind, source };
    const script: Script = {
      ...(inside === undefined ? record : { ...record, ...standsIn(inside) }),
      index: this.all.length,
      tree,
    };
    this.all.push(script);
    return script;
  }

  /** What the capsule says of them. */
  records(): ScriptRecord[] {
    return this.all.map(({ url, kind, source, inside }) => ({
      ...{ url, kind, source },
      ...(inside === undefined ? {} : { inside }),
    }));
  }

  /** @throws {Refusal} */
  parse(source: string, kind: ScriptKind, url: string): ScopeTree {
    if (source.includes('$flick')) throw new Refusal(`${url} uses names that begin with $flick.`);
    try {
      return readTree(this.#parsed, source, kind);
    } catch (error) {
      throw new Refusal(`${url} could not be read: ${String(error)}.`);
    }
  }
}

function standsIn({ script, scope }: Inside): Required<Pick<Script, 'outer' | 'inside'>> {
  const { kind, node } = scope;
  return { outer: script, inside: [script.index, kind, node.start, node.end] };
}

/** `file.js:12`, with the name of what stands there. */
export function describePlace({ script, node }: Place): string {
  const line = script.source.slice(0, node.start).split('\n').length;
  const name = node.id?.name ?? (isClass(node) ? 'a class' : 'a function');
  return `'${name}' (${shortUrl(script.url)}:${line})`;
}

/** The name of a file; with its folder where that says more. */
export function shortUrl(url: string): string {
  return /([^/]*\/index\.[cm]?js|[^/]*)$/.exec(url)?.[0] || 'code without a file';
}
