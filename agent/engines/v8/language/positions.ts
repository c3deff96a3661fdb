const starts = new Map<string, readonly number[]>();
/** Scripts of which is known where their lines begin, at most. */
const keptScripts = 1_000;

/** Where the lines of a text begin, with the line ends that JavaScript has; the first time takes its time. */
export function lineStarts(source: string): readonly number[] {
  const known = starts.get(source);
  if (known !== undefined) return known;
  const found = [0];
  const ends = /\r\n|[\n\r\u2028\u2029]/g;
  while (ends.exec(source) !== null) found.push(ends.lastIndex);
  if (starts.size >= keptScripts) starts.clear();
  starts.set(source, found);
  return found;
}

/** Line and column of an offset, from 0. */
export function positionOf(source: string, offset: number): { line: number; column: number } {
  const lines = lineStarts(source);
  let line = 0;
  for (let after = lines.length; after - line > 1;) {
    const middle = (line + after) >> 1;
    if ((lines[middle] ?? 0) <= offset) line = middle;
    else after = middle;
  }
  return { line, column: offset - (lines[line] ?? 0) };
}

/** The offset of a line and column, both from 0. */
export function offsetOf(source: string, line: number, column: number): number {
  let offset = 0;
  const ends = /\r\n|[\n\r\u2028\u2029]/g;
  for (let index = 0; index < line; index += 1) {
    if (ends.exec(source) === null) break;
    offset = ends.lastIndex;
  }
  return offset + column;
}

/** What `toString` shows: of a method, its whole definition without `static`. */
export function textRange(
  parent: { type: string; start: number; end: number } | undefined,
  node: { start: number; end: number },
  source: string,
): { start: number; end: number } {
  const member = parent as
    | {
        type: string;
        start: number;
        end: number;
        value?: unknown;
        method?: boolean;
        kind?: string;
        static?: boolean;
      }
    | undefined;
  if (member?.value !== node) return node;
  const isMethod =
    member.type === 'MethodDefinition' ||
    (member.type === 'Property' && (member.method === true || member.kind !== 'init'));
  if (!isMethod) return node;
  const { start, end } = member;
  if (member.static !== true) return { start, end };
  const rest = /^static(?:\s|\/\*[^]*?\*\/|\/\/[^\n]*\n)*/.exec(source.slice(start, end));
  return { start: start + (rest?.[0].length ?? 0), end };
}
