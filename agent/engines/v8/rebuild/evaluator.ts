import { Script } from 'node:vm';
import * as vm from 'node:vm';
import { positionOf } from '../language/positions.ts';
import { mapComment, markUnit, wrapOutermost, type Piece, type Unit } from '../language/origin.ts';
import { noteText } from './traces.ts';

/** Makes values of text in one scope. */
export interface Evaluator {
  /** @param unit an expression */
  (unit: Unit): unknown;
}

/** Which script a text comes from. */
export interface Origin {
  /** Its index in the capsule. */
  readonly index: number;
  readonly url: string;
  readonly source: string;
}

/** How many lines of a text end, and where what follows them begins. */
function linesOf(text: string): { readonly lines: number; readonly last: number } {
  let [lines, last] = [0, 0];
  if (/[\r\u2028\u2029]/.test(text)) {
    const ends = /\r\n|[\n\r\u2028\u2029]/g;
    for (; ends.exec(text) !== null; last = ends.lastIndex) lines += 1;
  } else {
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', last)) {
      lines += 1;
      last = end + 1;
    }
  }
  return { lines, last };
}

/** A text laid out so that what comes from a script stands in the line and column that it has there, if there is room. */
export class Layout {
  #text = '';
  #line = 0;
  #column = 0;
  readonly #pieces: Piece[] = [];
  readonly #source: string;

  constructor(source: string, head: string) {
    this.#source = source;
    this.add(head);
  }

  /** Adds generated text. */
  add(text: string): this {
    this.#text += text;
    const { lines, last } = linesOf(text);
    this.#line += lines;
    this.#column = lines === 0 ? this.#column + text.length : text.length - last;
    return this;
  }

  /** Adds text that begins at an offset of the script, with generated text right before it. */
  at(offset: number, { text, pieces }: Unit, before = ''): this {
    const { line, column } = positionOf(this.#source, offset);
    if (line > this.#line) this.add('\n'.repeat(line - this.#line));
    const start = column - before.length;
    if (line === this.#line && start > this.#column) this.add(' '.repeat(start - this.#column));
    this.add(before);
    for (const [generated, original, length] of pieces) {
      this.#pieces.push([generated + this.#text.length, original, length]);
    }
    return this.add(text);
  }

  get unit(): Unit {
    return { text: this.#text, pieces: this.#pieces };
  }
}

const constants = (vm as unknown as { constants?: { USE_MAIN_CONTEXT_DEFAULT_LOADER?: unknown } })
  .constants;

/** The outermost scope of what is made again; whatever its functions see further out is global. */
export function outermost(origin: Origin, home: object): Evaluator {
  return (unit) => {
    const script = new Script(
      noteText(markUnit(origin.index, wrapOutermost(unit)) + mapComment(origin.source)),
      {
        filename: origin.url,
        lineOffset: -1,
        ...(constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER === undefined
          ? {}
          : { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER as never }),
      },
    );
    return (script.runInThisContext() as (home: object) => unknown)(home);
  };
}

/** What `eval` is given, so that traces name the script. */
export function named(unit: Unit, { url, index, source }: Origin): string {
  return noteText(`${markUnit(index, unit)}${mapComment(source)}\n//# sourceURL=${url}`);
}
