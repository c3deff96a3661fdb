/**
 * Memory is compared and sent in chunks of 64 pages, so that what is unchanged costs little to say, and stored by (task,
 * address). A task is named by its PID as the capsule has it; addresses are bytes, below 2^53.
 */
export const pageBytes = 4096;
export const chunkPages = 64;
export const chunkBytes = pageBytes * chunkPages;

/** Consecutive pages of a task. */
export interface PageRun {
  readonly task: number;
  readonly address: number;
  readonly pages: number;
}

/** A chunk, by its address in units of chunks, and which of its pages are meant: page n is bit n of `low`, n - 32 of `high`. */
export interface Chunk {
  readonly task: number;
  readonly index: number;
  low: number;
  high: number;
}

/** The chunks that hold these pages, each once, in the order in which they are met first. */
export function chunksOf(runs: Iterable<PageRun>): Chunk[] {
  const tasks = new Map<number, Map<number, Chunk>>();
  const chunks: Chunk[] = [];
  for (const { task, address, pages } of runs) {
    let known = tasks.get(task);
    if (known === undefined) tasks.set(task, (known = new Map()));
    for (let page = address / pageBytes, end = page + pages; page < end;) {
      const index = Math.floor(page / chunkPages);
      const first = page - index * chunkPages;
      const count = Math.min(chunkPages - first, end - page);
      let chunk = known.get(index);
      if (chunk === undefined) {
        chunk = { task, index, low: 0, high: 0 };
        known.set(index, chunk);
        chunks.push(chunk);
      }
      include(chunk, first, count);
      page += count;
    }
  }
  return chunks;
}

export interface PageMask {
  low: number;
  high: number;
}

export function hasPage(mask: Readonly<PageMask>, page: number): boolean {
  return ((page < 32 ? mask.low >>> page : mask.high >>> (page - 32)) & 1) === 1;
}

export function isFull(mask: Readonly<PageMask>): boolean {
  return mask.low >>> 0 === 0xffffffff && mask.high >>> 0 === 0xffffffff;
}

/** Every page of `inner` is in `outer`. */
export function contains(outer: Readonly<PageMask>, inner: Readonly<PageMask>): boolean {
  return (inner.low & ~outer.low) === 0 && (inner.high & ~outer.high) === 0;
}

export function include(mask: PageMask, first: number, count: number): void {
  for (let page = first; page < first + count; page += 1) {
    if (page < 32) mask.low = (mask.low | (1 << page)) >>> 0;
    else mask.high = (mask.high | (1 << (page - 32))) >>> 0;
  }
}

export function exclude(mask: PageMask, page: number): void {
  if (page < 32) mask.low = (mask.low & ~(1 << page)) >>> 0;
  else mask.high = (mask.high & ~(1 << (page - 32))) >>> 0;
}

/** Adds all pages of another mask. */
export function includeAll(mask: PageMask, { low, high }: Readonly<PageMask>): void {
  mask.low = (mask.low | low) >>> 0;
  mask.high = (mask.high | high) >>> 0;
}

/** Takes away all pages of another mask. */
export function excludeAll(mask: PageMask, { low, high }: Readonly<PageMask>): void {
  mask.low = (mask.low & ~low) >>> 0;
  mask.high = (mask.high & ~high) >>> 0;
}

export function isEmpty({ low, high }: Readonly<PageMask>): boolean {
  return low === 0 && high === 0;
}

export function countPages({ low, high }: Readonly<PageMask>): number {
  return bits(low) + bits(high);
}

/** Runs of pages within a chunk: pairs of first page and count. */
export function runsOf(mask: Readonly<PageMask>): readonly (readonly [number, number])[] {
  if (isFull(mask)) return [[0, chunkPages]];
  const runs: [number, number][] = [];
  for (let page = 0; page < chunkPages; page += 1) {
    if (!hasPage(mask, page)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === page) last[1] += 1;
    else runs.push([page, 1]);
  }
  return runs;
}

/** Number of set bits of a 32-bit word. */
function bits(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count += 1;
  return count;
}
