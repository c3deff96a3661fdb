import type { ActivationRecord, Capsule, FunctionRecord } from '../capsule/format.ts';
import type { Objects } from './code.ts';

/** Who holds which functions of a capsule. */
export class Owners {
  /** Functions by their context. */
  readonly functions = new Map<number, number[]>();
  /** Classes by the context that is their own. */
  readonly classOfContext = new Map<number, number>();
  /** The class of each method that a property leads to. */
  readonly methods = new Map<number, number>();
  /** The class of each private method that something refers to. */
  readonly privateMethods = new Map<number, number>();
  /** Contexts in which an activation goes on. */
  readonly running = new Set<number>();
  /** Classes of which an instance is needed to get at private methods, with those that they are derived from. */
  readonly quiet = new Set<number>();
  readonly #capsule: Capsule;
  readonly #objects: Objects;

  constructor(
    capsule: Capsule,
    objects: Objects,
    nodeOf: (record: FunctionRecord) => { readonly start: number; readonly end: number },
  ) {
    this.#capsule = capsule;
    this.#objects = objects;
    capsule.objects.forEach((record, id) => {
      if (record === null || Array.isArray(record)) return;
      const kind = record as { k: string };
      if (kind.k === 'activation') this.running.add((record as ActivationRecord).context);
      if (kind.k !== 'fn') return;
      const fn = record as FunctionRecord;
      const list = this.functions.get(fn.context);
      if (list === undefined) this.functions.set(fn.context, [id]);
      else list.push(id);
      if (fn.isClass === 1) this.#noteClass(id, fn, nodeOf(fn));
    });
    for (const [context, owner] of this.classOfContext) {
      for (const id of this.functions.get(context) ?? []) this.#notePrivate(id, owner);
    }
  }

  /** Only an instance shows the private methods of its class. */
  #notePrivate(id: number, owner: number): void {
    const { script, start } = this.#capsule.objects[id] as FunctionRecord;
    if (!isPrivateMember(this.#capsule.scripts[script]?.source ?? '', start)) return;
    this.privateMethods.set(id, owner);
    for (const each of lineage(this.#capsule, this.#objects, owner)) this.quiet.add(each);
  }

  #noteClass(id: number, record: FunctionRecord, node: { start: number; end: number }): void {
    const context = this.#capsule.contexts[record.context];
    if (context?.scope[0] === 'class' && context.scope[1] === node.start) {
      this.classOfContext.set(record.context, id);
    }
    const holders = [id];
    for (const [key, , value] of record.props ?? []) {
      if (key === 'prototype') holders.push(this.#objects.idOf(value));
    }
    for (const holder of holders) {
      const held = this.#capsule.objects[holder];
      if (held === undefined || Array.isArray(held)) continue;
      for (const [, , ...values] of (held as FunctionRecord).props ?? []) {
        for (const value of values) {
          const method = this.#objects.idOf(value);
          const other = this.#capsule.objects[method] as FunctionRecord | undefined;
          if (other?.k !== 'fn' || other.isClass === 1 || other.script !== record.script) continue;
          if (other.start > node.start && other.end < node.end && !this.methods.has(method)) {
            this.methods.set(method, id);
          }
        }
      }
    }
  }
}

/** Whether a function is a private method or accessor. @param start where its text begins, without `static` */
function isPrivateMember(source: string, start: number): boolean {
  const gap = String.raw`(?:\s|\/\*[^]*?\*\/|\/\/[^\n]*\n)*`;
  const words = new RegExp(`(?:(?:async|get|set)\\b${gap}|\\*${gap})*#`, 'y');
  words.lastIndex = start;
  return words.test(source);
}

/** A class and the classes of the program that it is derived from, the newest first. */
export function lineage(capsule: Capsule, objects: Objects, id: number): number[] {
  const classes: number[] = [];
  for (let at = id; ;) {
    const record = capsule.objects[at] as FunctionRecord | undefined;
    if (record?.k !== 'fn' || record.isClass !== 1) return classes;
    classes.push(at);
    at = objects.idOf(record.proto);
  }
}
