import {
  decodedMappings,
  FlattenMap,
  traceSegment,
  type SourceMapInput,
  type TraceMap,
} from '@jridgewell/trace-mapping';
import * as v from 'valibot';

/** A map with more sources or mappings than this is no map that a compiler made of a program that people debug. */
const maxSources = 100_000;
const maxMappings = 5_000_000;

const plainMap = v.looseObject({
  version: v.literal(3),
  sources: v.pipe(v.array(v.nullable(v.string())), v.maxLength(maxSources)),
  mappings: v.string(),
  names: v.optional(v.array(v.string()), []),
  sourceRoot: v.nullish(v.string()),
  sourcesContent: v.nullish(v.array(v.nullable(v.string()))),
});
const indexedMap = v.looseObject({
  version: v.literal(3),
  sections: v.array(
    v.looseObject({
      offset: v.object({ line: v.number(), column: v.number() }),
      map: v.looseObject({ version: v.literal(3) }),
    }),
  ),
});

/** All 0-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}
export interface OriginalPosition extends Position {
  /** Index in {@link SourceMap.sources}. */
  readonly source: number;
}
export interface MapSource {
  /** Resolved against the map's own URL. */
  readonly url: string;
  readonly content: string | undefined;
}

/** Generated code that belongs together: all of it comes from the same line. */
interface Run extends Position {
  readonly originalColumn: number;
  /** Distinguishes stretches of generated code of the same original line that lie apart. */
  readonly stretch: number;
}

/** A source map that has been checked and decoded. */
export class SourceMap {
  readonly sources: readonly MapSource[];
  readonly #map: TraceMap;
  /** By source and original line; built when first asked for. */
  #lines: Map<number, Run[]>[] | undefined;

  /**
   * @param text the JSON of the map
   * @param url of the map, which its sources are relative to
   * @throws {Error} saying what is wrong with it
   */
  constructor(text: string, url: string) {
    const json: unknown = JSON.parse(text.replace(/^\)\]\}'[^\n]*\n/, ''));
    const isIndexed = typeof json === 'object' && json !== null && 'sections' in json;
    const parsed = v.safeParse<typeof indexedMap | typeof plainMap>(
      isIndexed ? indexedMap : plainMap,
      json,
    );
    if (!parsed.success) throw new Error('It is no source map of version 3.');
    if (countMappings(text) > maxMappings) throw new Error('It has too many mappings.');
    this.#map = new FlattenMap(parsed.output as SourceMapInput, url);
    // Decodes now, while somebody listens to what is wrong with it.
    decodedMappings(this.#map);
    const { resolvedSources, sourcesContent } = this.#map;
    this.sources = resolvedSources.map((source, index) => ({
      url: source,
      content: sourcesContent?.[index] ?? undefined,
    }));
  }

  /** Where generated code comes from; undefined for code that the compiler made up. */
  original({ line, column }: Position): OriginalPosition | undefined {
    const segment =
      traceSegment(this.#map, line, column) ??
      decodedMappings(this.#map)[line]?.find((each) => each[0] >= column);
    if (segment === undefined || segment.length === 1) return undefined;
    const [, source, originalLine, originalColumn] = segment;
    if (this.sources[source] === undefined || originalLine < 0) return undefined;
    return { source, line: originalLine, column: Math.max(originalColumn, 0) };
  }

  /**
   * Where to stop for a line of a source: one position in each stretch of code that was generated for it, or for the next
   * line that has code. Empty when there is none any more.
   */
  generated(source: number, line: number, column = 0): Position[] {
    const lines = this.#index()[source];
    if (lines === undefined) return [];
    let runs = lines.get(line);
    if (runs === undefined) {
      const later = [...lines.keys()].filter((each) => each > line);
      if (later.length === 0) return [];
      runs = lines.get(later.reduce((one, other) => Math.min(one, other))) ?? [];
      return firstOfEach(runs, 0);
    }
    return firstOfEach(runs, column);
  }

  /** Every mapped position of a line range of a source, ends included, with where it lies in the generated code. */
  mapped(source: number, from: number, to: number): { original: Position; generated: Position }[] {
    const lines = this.#index()[source];
    const found: { original: Position; generated: Position }[] = [];
    for (const [line, runs] of lines ?? []) {
      if (line < from || line > to) continue;
      for (const run of runs) {
        found.push({
          original: { line, column: run.originalColumn },
          generated: { line: run.line, column: run.column },
        });
      }
    }
    return found;
  }

  /** Positions where generated code begins or ceases to come from one of these sources, the first being a beginning. */
  boundaries(sources: ReadonlySet<number>): Position[] {
    const found: Position[] = [];
    let inside = false;
    decodedMappings(this.#map).forEach((segments, line) => {
      for (const segment of segments) {
        const isInside = segment.length > 1 && sources.has(segment[1] ?? -1);
        if (isInside === inside) continue;
        inside = isInside;
        found.push({ line, column: segment[0] });
      }
    });
    return found;
  }

  #index(): Map<number, Run[]>[] {
    if (this.#lines !== undefined) return this.#lines;
    const lines = this.sources.map(() => new Map<number, Run[]>());
    let stretch = 0;
    let before: { source: number; line: number; generatedLine: number } | undefined;
    decodedMappings(this.#map).forEach((segments, generatedLine) => {
      for (const segment of segments) {
        if (segment.length === 1) continue;
        const [column, source, line, originalColumn] = segment;
        const ofSource = lines[source];
        if (ofSource === undefined || line < 0) continue;
        if (
          before?.source !== source ||
          before.line !== line ||
          generatedLine - before.generatedLine > 1
        ) {
          stretch += 1;
        }
        before = { source, line, generatedLine };
        const run = { line: generatedLine, column, originalColumn, stretch };
        const runs = ofSource.get(line);
        if (runs === undefined) ofSource.set(line, [run]);
        else runs.push(run);
      }
    });
    this.#lines = lines;
    return lines;
  }
}

/** The best position of each stretch: the first at or after the column, or the last one before it. */
function firstOfEach(runs: readonly Run[], column: number): Position[] {
  const columns = runs.map((each) => each.originalColumn);
  const after = columns.filter((each) => each >= column);
  const wanted = after.length > 0 ? after.reduce(min) : columns.reduce(max);
  const seen = new Set<number>();
  return runs
    .filter(({ originalColumn, stretch }) => {
      if (originalColumn !== wanted || seen.has(stretch)) return false;
      seen.add(stretch);
      return true;
    })
    .map(({ line, column: generated }) => ({ line, column: generated }));
}

const min = (one: number, other: number): number => Math.min(one, other);
const max = (one: number, other: number): number => Math.max(one, other);

function countMappings(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x2c || code === 0x3b) count += 1;
  }
  return count;
}
