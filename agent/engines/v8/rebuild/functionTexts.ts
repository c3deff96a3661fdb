import { Script } from 'node:vm';
import type { FunctionRecord } from '../capsule/format.ts';

// A name of Node.js: what is found there when the program moves on is taken for the builtin that it stands for.
const filename = 'node:flick';
const maker = `(function (native, texts, get, apply) { 'use strict'; return {
  toString() { const text = get(texts, this); return text === undefined ? apply(native, this, []) : text; }
}.toString; })`;

/** What functions show as their text, where they had to be made of another one. */
export class FunctionTexts {
  readonly #texts = new WeakMap<object, string>();

  readonly #native = Reflect.get(Function.prototype, 'toString') as () => string;

  /** Compares the text that a function was made of with that of its author. */
  note(f: object, { start, end }: FunctionRecord, source: string): void {
    const text = source.slice(start, end);
    if (Reflect.apply(this.#native, f, []) !== text) this.#texts.set(f, text);
  }

  /** To be called before anything of the program gets hold of the builtin. */
  install(): void {
    const { prototype } = Function;
    const native = this.#native;
    const get = prototype.call.bind(WeakMap.prototype.get as never);
    const make = new Script(maker, { filename }).runInThisContext() as (
      ...args: unknown[]
    ) => object;
    const shown = make(native, this.#texts, get, Reflect.apply);
    this.#texts.set(shown, String(native));
    Object.defineProperty(prototype, 'toString', { value: shown });
  }
}
