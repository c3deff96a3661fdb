/** Generated text says at its end which script it was made of, so that what it made can be carried again. */

/** A part of a generated text that stands in the script as it is: offset in the text, offset in the script, length. */
export type Piece = readonly [generated: number, original: number, length: number];

/** A text and what of it is the script's own. */
export interface Unit {
  readonly text: string;
  readonly pieces: readonly Piece[];
}

const outermostHead = '(function ($flickHome) { (() => $flickHome); return (\n';

/** The outermost generated text around a unit. It begins a line before the script does. */
export function wrapOutermost(unit: Unit): Unit {
  return wrapUnit(outermostHead, unit, '\n); })');
}

/** Lines of a script's text that V8 does not count. */
export function headLines(source: string): number {
  return source.startsWith(outermostHead) ? 1 : 0;
}

export function wrapUnit(before: string, { text, pieces }: Unit, after: string): Unit {
  return {
    text: before + text + after,
    pieces: pieces.map(([generated, original, length]) => [
      generated + before.length,
      original,
      length,
    ]),
  };
}

/** @param script index in the capsule that the text was made of */
export function markUnit(script: number, { text, pieces }: Unit): string {
  return `${text}\n//$flick ${script} ${pieces.map((piece) => piece.join(':')).join()}`;
}

/** Longest comment that is repeated with each text that is made of a script, in characters. */
const longestComment = 1000;

/** Where the source map of a script is, as the script says it at its end: what is made of it has the same lines. */
export function mapComment(source: string): string {
  const match = /\n\/\/[#@] sourceMappingURL=\S+\s*$/.exec(source.slice(-longestComment));
  return match === null ? '' : match[0].trimEnd();
}

export interface OriginMark {
  readonly script: number;
  /** The offset in the script; -1 for what was generated. */
  toOriginal(offset: number): number;
  /** The same; for what was generated, the place that it leads to. */
  nearest(offset: number): number;
}

export function readOriginMark(source: string): OriginMark | undefined {
  const at = source.lastIndexOf('\n//$flick ');
  if (at < 0) return undefined;
  const match = /^\n\/\/\$flick (\d+) ([\d:,]*)/.exec(source.slice(at));
  if (match === null) return undefined;
  const pieces = (match[2] ?? '').split(',').map((piece) => piece.split(':').map(Number));
  const [, last = 0, length = 0] = pieces.at(-1) ?? [];
  return {
    script: Number(match[1]),
    nearest: (offset) => {
      for (const [generated = 0, original = 0, length = 0] of pieces) {
        if (offset < generated + length) return original + Math.max(offset - generated, 0);
      }
      return last + length;
    },
    toOriginal: (offset) => {
      for (const [generated = 0, original = 0, length = 0] of pieces) {
        if (offset >= generated && offset < generated + length)
          return original + offset - generated;
      }
      return -1;
    },
  };
}

/** What a resumed activation keeps for the next time it is carried. */
export interface ResumedState {
  /** The function that it is an activation of, or what the rebuild noted of the module. */
  readonly origin: object;
  /** Its variables as they were when it was made again, by `name@offset of their scope`. */
  readonly v: Readonly<Record<string, unknown>>;
}
