import type { Piece, Unit } from './origin.ts';

/** A place of the source where other text goes. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Ends what another edit began; inner ones stand first. */
  readonly closes?: boolean;
}

/** Text of a range of the source with edits made; those at one place keep their order. */
export function applyEdits(
  source: string,
  start: number,
  end: number,
  edits: readonly Edit[],
): Unit {
  const sorted = edits
    .map((edit, index) => ({ edit, index }))
    .sort(({ edit: a, index: i }, { edit: b, index: j }) => {
      const closes = Number(b.closes ?? false) - Number(a.closes ?? false);
      const order = a.closes === true ? j - i : i - j;
      return a.start - b.start || closes || a.end - b.end || order;
    });
  let text = '';
  let at = start;
  const pieces: Piece[] = [];
  const keep = (to: number): void => {
    if (to > at) pieces.push([text.length, at, to - at]);
    text += source.slice(at, to);
    at = to;
  };
  for (const { edit } of sorted) {
    if (edit.start < at) continue;
    keep(edit.start);
    text += edit.text;
    at = edit.end;
  }
  keep(end);
  return { text, pieces };
}
