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
    const lines = text.split(/\r\n|[\n\r\u2028\u2029]/);
    this.#line += lines.length - 1;
    this.#column = lines.length === 1 ? this.#column + text.length : (lines.at(-1) ?? '').length;
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
