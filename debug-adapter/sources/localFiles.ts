import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Longest file that is compared with a script or read as a source map, in bytes. */
export const maxFileBytes = 32 << 20;
/** So many files of the workspace are looked at; a workspace beyond that is matched by its folders alone. */
const maxFiles = 50_000;
const leftOut = new Set(['node_modules', 'bower_components']);

export interface LocalFile {
  readonly path: string;
  /** Without byte order mark. */
  readonly text: string;
  /** SHA-256 (hex) of the text as it is, and with the line ends that a checkout on another system may have changed. */
  readonly hashes: ReadonlySet<string>;
}

/** The files of the workspace, by name and by content. */
export class LocalFiles {
  readonly #folders: readonly string[];
  readonly #cache = new Map<string, { stamp: string; file: LocalFile }>();
  #scan: Promise<ReadonlyMap<string, readonly string[]>> | undefined;
  #scannedAt = 0;
  #scanMs = 0;

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** @returns undefined when there is no such file, or it is longer than {@link maxFileBytes} */
  async read(path: string): Promise<LocalFile | undefined> {
    try {
      const { size, mtimeMs } = await stat(path);
      const stamp = `${size} ${mtimeMs}`;
      const known = this.#cache.get(path);
      if (known?.stamp === stamp) return known.file;
      if (size > maxFileBytes) return undefined;
      const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
      const file = { path, text, hashes: hashesOf(text) };
      this.#cache.set(path, { stamp, file });
      return file;
    } catch {
      return undefined;
    }
  }

  /** Files of the workspace with this base name, dependencies left out. */
  async named(name: string): Promise<readonly string[]> {
    const found = (await this.#index()).get(name);
    if (found !== undefined) return found;
    // What was built meanwhile is found too, but a workspace is not walked for every name that is not in it.
    if (Date.now() - this.#scannedAt < 1000 + 20 * this.#scanMs) return [];
    this.#scan = undefined;
    return (await this.#index()).get(name) ?? [];
  }

  #index(): Promise<ReadonlyMap<string, readonly string[]>> {
    this.#scan ??= this.#walk();
    return this.#scan;
  }

  async #walk(): Promise<ReadonlyMap<string, readonly string[]>> {
    const began = Date.now();
    const index = new Map<string, string[]>();
    const queue = [...this.#folders];
    let left = maxFiles;
    for (let folder = queue.shift(); folder !== undefined && left > 0; folder = queue.shift()) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) {
          if (!leftOut.has(entry.name) && !entry.name.startsWith('.')) queue.push(path);
        } else if (entry.isFile()) {
          left -= 1;
          const paths = index.get(entry.name);
          if (paths === undefined) index.set(entry.name, [path]);
          else paths.push(path);
        }
      }
    }
    this.#scannedAt = Date.now();
    this.#scanMs = this.#scannedAt - began;
    return index;
  }
}

/** SHA-256 (hex) of a text as it is, and with plain line ends. */
export function hashesOf(text: string): ReadonlySet<string> {
  return new Set([text, text.replaceAll('\r\n', '\n')].map(hash));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
