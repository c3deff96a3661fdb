import { posix } from 'node:path';

/** Path on the device of a script or an original source; undefined for what is no file there. Queries are dropped. */
export function pathOfUrl(url: string): string | undefined {
  if (url.startsWith('/')) return posix.normalize(url);
  if (!url.startsWith('file:')) return undefined;
  try {
    return posix.normalize(decodeURIComponent(new URL(url).pathname));
  } catch {
    return undefined;
  }
}

/** The URL that Node.js gives a script of this path. */
export function urlOfPath(path: string): string {
  const url = new URL('file:///');
  url.pathname = path.replaceAll('%', '%25').replaceAll('\\', '%5C');
  return url.href;
}

/**
 * Matches a script's URL and the same with another query, as modules that are loaded afresh have it. Parts of a program
 * that was rebuilt are called by the path of their file.
 */
export function patternOfUrl(url: string): string {
  if (!url.startsWith('file:')) return `^${escapePattern(url)}([?#].*)?$`;
  const [plain = url] = url.split(/[?#]/, 1);
  const path = decodeURIComponent(new URL(plain).pathname);
  return `^(${escapePattern(plain)}|${escapePattern(path)})([?#].*)?$`;
}

export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Segments of a path of either kind of system. */
export function segments(path: string): string[] {
  return path.split(/[/\\]+/).filter((each) => each !== '' && each !== '.');
}

export function baseName(path: string): string {
  return segments(path).at(-1) ?? path;
}

/** How many segments two paths have in common at their ends. */
export function commonSuffix(one: string, other: string): number {
  const [a, b] = [segments(one), segments(other)];
  let count = 0;
  while (count < a.length && count < b.length && a.at(-1 - count) === b.at(-1 - count)) count += 1;
  return count;
}

/** Cuts so many segments off the end of a path; what is left has no slash at its end. */
export function cutSegments(path: string, count: number): string {
  let cut = path.replace(/[/\\]+$/, '');
  for (let left = count; left > 0; left -= 1) cut = cut.replace(/[/\\]+[^/\\]*$/, '');
  return cut;
}

/** A path relative to a folder of the same system; undefined when it does not lie in it. */
export function within(path: string, folder: string): string[] | undefined {
  const [inner, outer] = [segments(path), segments(folder)];
  if (inner.length <= outer.length) return undefined;
  return outer.every((each, index) => each === inner[index])
    ? inner.slice(outer.length)
    : undefined;
}
