import type { AnyNode } from 'acorn';
import type { HostState, KindRecord, Value } from '../capsule/format.ts';
import { positionOf } from '../language/positions.ts';
import { rawTexts } from '../language/templateSites.ts';
import { isClass, isFunction } from '../language/parse.ts';
import type { Graph } from './graph.ts';
import { Refusal } from './refusal.ts';
import { shortUrl, type Script } from './scripts.ts';

type Site = readonly [script: Script, start: number];

interface Found {
  readonly id: number;
  readonly object: readonly unknown[] & { readonly raw: readonly string[] };
}

/**
 * Template objects, of which V8 makes one for each place of the program: a tag that knows one again must be given the same
 * one after a move. V8 does not show of which place an object is; its texts tell, and where several places have the same,
 * the numbers of the functions that they stand in.
 */
export class TemplateObjects {
  readonly #graph: Graph;
  readonly #found: Found[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Undefined for other arrays. Where it is from is told by {@link complete}. */
  record(id: number, array: unknown[]): KindRecord | undefined {
    if (!isTemplateObject(array)) return undefined;
    const value = (each: unknown): Value => this.#graph.value(each, 'text');
    const state: HostState = { strings: array.map(value), raw: array.raw.map(value) };
    const { objects } = this.#graph;
    const raw = this.#graph.id(array.raw, 'raw');
    if (objects.has(raw)) throw this.#graph.refuse('a template object whose raw texts are kept');
    objects.set(raw, { k: 'host', host: 'template', state: { of: [id] } });
    this.#found.push({ id, object: array });
    return { k: 'host', host: 'template', state };
  }

  /**
   * To be called when every script of the program is known.
   * @returns for each object that has a place its id, the script and the offset of the place
   * @throws {Refusal} when it cannot be told of which of several places an object is
   */
  complete(): HostState {
    const places: number[] = [];
    const taken = new Set<string>();
    for (const { id, object } of this.#found) {
      const sites = this.#sitesOf(object);
      const [site] = sites;
      if (site === undefined) continue;
      const [script, start] = site;
      const key = `${script.index}:${start}`;
      if (sites.length > 1 || taken.has(key)) throw this.#refuse(id, sites);
      taken.add(key);
      places.push(id, script.index, start);
    }
    return { places };
  }

  #sitesOf(object: Found['object']): readonly Site[] {
    const { scripts } = this.#graph;
    for (const { templates, sites, scripts: all } of scripts.homes) {
      const site = sites[templates.indexOf(object)];
      if (site !== undefined) return [[scripts.again(site[0], all), site[1]]];
    }
    const texts = JSON.stringify(object.raw);
    const sites = scripts.all.flatMap((script) =>
      script.tree.taggedTemplates
        .filter((each) => JSON.stringify(rawTexts(each)) === texts)
        .map((each): Site => [script, each.start]),
    );
    return sites.length > 1 ? this.#narrowed(object, sites) : sites;
  }

  /** Those places that the object can be of, by the functions around them. */
  #narrowed(object: object, sites: readonly Site[]): readonly Site[] {
    const { numbers } = this.#graph.hidden;
    const number = numbers?.ofTemplate(object);
    // Each script has numbers of its own.
    const isOneScript = new Set(sites.map(([script]) => script)).size === 1;
    if (numbers === undefined || number === undefined || !isOneScript) return sites;
    const live = this.#liveFunctions(sites);
    const known = sites.map(([script, start]) => {
      const f = live.get(functionAround(script, start));
      return f === undefined ? undefined : numbers.ofFunction(f);
    });
    const its = sites.filter((_, index) => known[index] === number);
    return its.length > 0 ? its : sites.filter((_, index) => known[index] === undefined);
  }

  /** A closure of each function of the places' script of which there is one, by the offset of its node. */
  #liveFunctions(sites: readonly Site[]): ReadonlyMap<number, object> {
    const { objects, scripts, natives } = this.#graph;
    const live = new Map<number, object>();
    for (let id = 1; id < objects.count; id += 1) {
      const f = this.#graph.live(id);
      // What a rebuild made stands in other texts, which have their own numbers.
      if (typeof f !== 'function' || natives.script(f) !== sites[0]?.[0].source) continue;
      live.set(scripts.placeOf(f).node.start, f);
    }
    return live;
  }

  #refuse(id: number, sites: readonly Site[]): Refusal {
    const places = sites.map(
      ([script, start]) => `${shortUrl(script.url)}:${positionOf(script.source, start).line + 1}`,
    );
    return new Refusal(
      `Cannot move yet: ${this.#graph.path(id)} is what a tagged template has made, of which the place cannot be told (${places.join(', ')}).`,
      { hint: 'Templates with different texts can be told apart.' },
    );
  }
}

/** Offset of the innermost function around a template; -1 where that has no closure of its own, as in a class's fields. */
function functionAround({ tree }: Script, start: number): number {
  let node: AnyNode | undefined = tree.taggedTemplates.find((each) => each.start === start);
  while (node !== undefined && !isFunction(node) && !isClass(node)) node = tree.parents.get(node);
  return node === undefined || isClass(node) ? -1 : node.start;
}

function isTemplateObject(array: unknown[]): array is Found['object'] & unknown[] {
  if (!Object.isFrozen(array) || !Object.hasOwn(array, 'raw')) return false;
  const { value, enumerable } = Reflect.getOwnPropertyDescriptor(array, 'raw') ?? {};
  const raw = value as unknown;
  return (
    enumerable === false &&
    Array.isArray(raw) &&
    Object.isFrozen(raw) &&
    raw.length === array.length &&
    raw.every((each) => typeof each === 'string') &&
    array.every((each) => typeof each === 'string' || each === undefined) &&
    Reflect.ownKeys(array).length === array.length + 2
  );
}
