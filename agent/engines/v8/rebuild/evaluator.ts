import { Script } from 'node:vm';
import * as vm from 'node:vm';

/** Makes values of text in one scope. */
export interface Evaluator {
  /** @param text an expression, laid out by {@link placed} */
  (text: string): unknown;
}

/** Which script a text comes from. */
export interface Origin {
  readonly url: string;
  readonly source: string;
}

/** Line and column of an offset, from 0, with the line ends that JavaScript has. */
export function positionOf(source: string, offset: number): { line: number; column: number } {
  const ends = /\r\n|[\n\r\u2028\u2029]/g;
  let line = 0;
  let start = 0;
  for (let match = ends.exec(source); match !== null && ends.lastIndex <= offset; match = ends.exec(source)) {
    line += 1;
    start = ends.lastIndex;
  }
  return { line, column: offset - start };
}

/** A text laid out so that its part that begins at an offset of a script stands in the line and column it has there. */
export class Layout {
  #text: string;
  #line: number;
  #column: number;
  readonly #source: string;

  /** @param firstLine the line that the text begins in; negative for what stands before the script */
  constructor(source: string, head: string, firstLine: number) {
    this.#source = source;
    this.#text = '';
    this.#line = firstLine;
    this.#column = 0;
    this.add(head);
  }

  /** Adds generated text where it fits. */
  add(text: string): this {
    this.#text += text;
    const lines = text.split(/\r\n|[\n\r\u2028\u2029]/);
    this.#line += lines.length - 1;
    this.#column = lines.length === 1 ? this.#column + text.length : (lines.at(-1) ?? '').length;
    return this;
  }

  /** Adds text of the script that begins at an offset of it. */
  at(offset: number, text: string): this {
    const { line, column } = positionOf(this.#source, offset);
    if (line > this.#line) this.add('\n'.repeat(line - this.#line));
    if (line === this.#line && column > this.#column) this.add(' '.repeat(column - this.#column));
    return this.add(text);
  }

  toString(): string {
    return this.#text;
  }
}

const constants = (vm as unknown as { constants?: { USE_MAIN_CONTEXT_DEFAULT_LOADER?: unknown } }).constants;

/** The outermost scope of what is made again; whatever its functions see further out is global. */
export function outermost(origin: Origin, home: object): Evaluator {
  return (text) => {
    // The head has a line of its own, before the first one of the script.
    const code = `(function ($flickHome) { (() => $flickHome); return (\n${text}\n); })`;
    const script = new Script(code, {
      filename: origin.url,
      lineOffset: -1,
      ...(constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER === undefined
        ? {}
        : { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER as never }),
    });
    return (script.runInThisContext() as (home: object) => unknown)(home);
  };
}

/** What `eval` is given, so that traces name the script. */
export function named(text: string, url: string): string {
  return `${text}\n//# sourceURL=${url}`;
}
